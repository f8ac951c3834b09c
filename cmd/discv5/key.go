package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/atomicfile"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// keyInfo describes a key.
type keyInfo struct {
	NodeID    string `json:"nodeId"`
	PublicKey string `json:"publicKey"`
	Format    string `json:"format,omitempty"`
	File      string `json:"file,omitempty"`
	Secret    string `json:"secret,omitempty"`
}

func (t *tool) printKey(key *enr.PrivateKey, form keyForm, file string, secret bool) {
	pub := key.PublicKey()
	i := keyInfo{NodeID: key.ID().String(), PublicKey: hex.EncodeToString(pub[:]), Format: string(form), File: file}
	text := fmt.Sprintf("node ID     %s\npublic key  %s", i.NodeID, i.PublicKey)
	if secret {
		scalar := key.Bytes()
		i.Secret = hex.EncodeToString(scalar[:])
		text += "\nsecret      " + i.Secret
	}
	t.print(i, text)
}

func newKeyGenerate(t *tool) *cobra.Command {
	var force bool
	var format string
	c := &cobra.Command{
		Use: "generate FILE", Short: "Make a private key",
		Long: "Make a private key in a new file of mode 0600 and print its node ID.\n" +
			"With - as FILE, print only the key itself.",
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			form, err := parseKeyForm(format)
			if err != nil {
				return place("--format", err)
			}
			key, err := enr.GenerateKey(rand.Reader)
			if err != nil {
				return err
			}
			if args[0] == "-" {
				t.writeSecret(key, form)
				return nil
			}
			if err := writeKey(args[0], key, form, force); err != nil {
				return place("new key file", err)
			}
			t.printKey(key, form, args[0], false)
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "replace FILE if it exists")
	c.Flags().StringVar(&format, "format", string(keyHex), "`FORM` of the file: hex, 64 digits; or raw, 32 bytes as in Lighthouse")
	return c
}

// writeSecret prints the private key itself.
func (t *tool) writeSecret(key *enr.PrivateKey, form keyForm) {
	if t.json {
		t.printKey(key, form, "", true)
		return
	}
	text := encodeKey(key, form)
	defer clear(text)
	t.write(text)
}

func newKeyInspect(t *tool) *cobra.Command {
	var secret bool
	c := &cobra.Command{
		Use: "inspect FILE", Short: "Show node ID and public key of a private key",
		Long: "Show node ID and public key of a private key in FILE, of either form.\n" +
			"With - as FILE, read standard input.",
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			key, form, err := t.readKey(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			t.printKey(key, form, "", secret)
			return nil
		},
	}
	c.Flags().BoolVar(&secret, "secret", false, "print the private key as well")
	return c
}

func newKeyConvert(t *tool) *cobra.Command {
	var force bool
	var to string
	c := &cobra.Command{
		Use: "convert FILE NEWFILE", Short: "Convert a private key to the other form",
		Long: "Read a private key, 64 hexadecimal digits or 32 raw bytes, and write it in the other form,\n" +
			"or that of --to, to a new file of mode 0600. - is standard input or output.",
		Args: arguments(2, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			key, from, err := t.readKey(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			form := keyRaw
			if from == keyRaw {
				form = keyHex
			}
			if to != "" {
				if form, err = parseKeyForm(to); err != nil {
					return place("--to", err)
				}
			}
			if args[1] == "-" {
				t.writeSecret(key, form)
				return nil
			}
			if err := writeKey(args[1], key, form, force); err != nil {
				return place("new key file", err)
			}
			t.printKey(key, form, args[1], false)
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "replace NEWFILE if it exists")
	c.Flags().StringVar(&to, "to", "", "`FORM` to write: hex or raw. Default: the other one")
	return c
}

// keyForm is a form of a private key in a file.
type keyForm string

const (
	keyHex keyForm = "hex" // 64 hexadecimal digits and a line feed
	keyRaw keyForm = "raw" // 32 bytes
)

// maxKeyText is longer than any text of a key: 0x, digits, CR, LF.
const maxKeyText = 68

// parseKeyForm parses --to and --format.
func parseKeyForm(s string) (keyForm, error) {
	switch f := keyForm(s); f {
	case keyHex, keyRaw:
		return f, nil
	}
	return "", cli.Usagef("%s: want hex or raw", quote.Short(s))
}

// decodeKey parses a key of either form. Errors never quote it: it may be a key with a typing
// error.
func decodeKey(b []byte) (*enr.PrivateKey, keyForm, error) {
	if len(b) == 32 {
		key, err := enr.ParsePrivateKey(b)
		if err != nil {
			return nil, "", cli.Usagef("not a private key: %w", err)
		}
		return key, keyRaw, nil
	}
	if len(b) <= maxKeyText {
		if key, err := enr.ParsePrivateKeyHex(string(b)); err == nil {
			return key, keyHex, nil
		}
	}
	return nil, "", cli.Usagef("not a private key of 64 hexadecimal digits or 32 raw bytes")
}

// encodeKey returns the content of a key file. Callers must clear it.
func encodeKey(key *enr.PrivateKey, form keyForm) []byte {
	scalar := key.Bytes()
	defer clear(scalar[:])
	if form == keyRaw {
		return append([]byte(nil), scalar[:]...)
	}
	return append(hex.AppendEncode(make([]byte, 0, 65), scalar[:]), '\n')
}

// readKey reads a key file, or standard input for -.
func (t *tool) readKey(path string) (*enr.PrivateKey, keyForm, error) {
	if path == "-" {
		b, err := t.input(path)
		if err != nil {
			return nil, "", err
		}
		defer clear(b)
		key, form, err := decodeKey(b)
		return key, form, place("standard input", err)
	}
	b, err := readFile(path)
	if err != nil {
		return nil, "", err
	}
	defer clear(b)
	key, form, err := decodeKey(b)
	if err != nil {
		return nil, "", place(path, err)
	}
	if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		t.note("discv5: %s has mode %04o: other users may read the key; run chmod 600", path, info.Mode().Perm())
	}
	return key, form, nil
}

// key parses the value of --key: a file, or the 64 digits themselves.
func (t *tool) key(value string) (*enr.PrivateKey, error) {
	if key, err := enr.ParsePrivateKeyHex(value); err == nil {
		return key, nil
	}
	if len(value) == 64 || len(value) == 66 {
		if _, err := os.Stat(value); errors.Is(err, fs.ErrNotExist) {
			// Do not quote the value: it may be a key.
			return nil, cli.Usagef("neither a file nor a private key of 64 hexadecimal digits")
		}
	}
	key, _, err := t.readKey(value)
	return key, err
}

// writeKey creates a key file of mode 0600. The file gets its name when it is complete. writeKey
// replaces an existing file only if force is set.
func writeKey(path string, key *enr.PrivateKey, form keyForm, force bool) error {
	text := encodeKey(key, form)
	defer clear(text)
	if !force {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s exists; --force replaces it", path)
		}
	}
	return atomicfile.Write(path, text, atomicfile.Options{Mode: 0o600, Exclusive: !force})
}
