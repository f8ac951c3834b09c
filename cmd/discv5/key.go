package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/enr"
)

// keyInfo is what is shown of a key.
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
		Long: "Make a private key in a new file of mode 0600 and print its node ID. FILE - prints the key itself, and nothing else.",
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
	c.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	c.Flags().StringVar(&format, "format", string(keyHex), "`FORM` of the file: hex, 64 digits; raw, 32 bytes as Lighthouse has them")
	return c
}

// writeSecret prints a key for who asked for it.
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
		Long: "Show node ID and public key of a private key in FILE, or on standard input for -. Both forms are read.",
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
	c.Flags().BoolVar(&secret, "secret", false, "print the private key too")
	return c
}

func newKeyConvert(t *tool) *cobra.Command {
	var force bool
	var to string
	c := &cobra.Command{
		Use: "convert FILE NEWFILE", Short: "Write a private key in the other form",
		Long: "Read a private key, 64 hexadecimal digits or 32 raw bytes, and write it to a new file of mode 0600 in the other form or that of --to. - is standard input or output.",
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
