package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/atomicfile"
	"github.com/fastdisc/discv5/internal/quote"
)

// keyForm is how a private key is written down.
type keyForm string

const (
	keyHex keyForm = "hex" // 64 hexadecimal digits and a line feed
	keyRaw keyForm = "raw" // 32 bytes
)

// maxKeyText is longer than any text of a key: 0x, digits, CR, LF.
const maxKeyText = 68

// parseKeyForm reads --to and --format.
func parseKeyForm(s string) (keyForm, error) {
	switch f := keyForm(s); f {
	case keyHex, keyRaw:
		return f, nil
	}
	return "", wrong("%s: want hex or raw", quote.Short(s))
}

// decodeKey reads a key of either form. No error quotes it, as it may be a key with a typing
// mistake.
func decodeKey(b []byte) (*enr.PrivateKey, keyForm, error) {
	if len(b) == 32 {
		key, err := enr.ParsePrivateKey(b)
		if err != nil {
			return nil, "", wrong("not a private key: %w", err)
		}
		return key, keyRaw, nil
	}
	if len(b) <= maxKeyText {
		if key, err := enr.ParsePrivateKeyHex(string(b)); err == nil {
			return key, keyHex, nil
		}
	}
	return nil, "", wrong("not a private key of 64 hexadecimal digits or 32 raw bytes")
}

// encodeKey is what a key file holds. The caller clears it.
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
		t.note("discv5: %s has mode %04o: other users may read the key; chmod 600 it", path, info.Mode().Perm())
	}
	return key, form, nil
}

// key reads the value of --key: a file, or the 64 digits themselves.
func (t *tool) key(value string) (*enr.PrivateKey, error) {
	if key, err := enr.ParsePrivateKeyHex(value); err == nil {
		return key, nil
	}
	if len(value) == 64 || len(value) == 66 {
		if _, err := os.Stat(value); errors.Is(err, fs.ErrNotExist) {
			// may be a key: not quoted
			return nil, wrong("neither a file nor a private key of 64 hexadecimal digits")
		}
	}
	key, _, err := t.readKey(value)
	return key, err
}

// writeKey makes a key file of mode 0600. It appears under its name only when it is complete. One
// that is there already is replaced only by force.
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
