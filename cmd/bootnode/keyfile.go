package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/atomicfile"
	"github.com/fastdisc/discv5/internal/cli"
)

// maxKeyFile bounds what readKey reads, in bytes. It is longer than any key file.
const maxKeyFile = 1024

// checkKey checks --nodekeyhex and --nodekey. Errors never quote a value that may be a key.
func (o *options) checkKey() error {
	if o.keyHex != "" {
		if _, err := enr.ParsePrivateKeyHex(o.keyHex); err != nil {
			return fmt.Errorf("%s: %w", o.from("nodekeyhex"), err)
		}
	}
	if maybeKey(o.nodeKey) {
		return fmt.Errorf("%s takes the name of a file, not a key; nodekeyhex takes one", o.from("nodekey"))
	}
	return nil
}

// maybeKey reports whether s is a private key and not the name of a file. Flags of other programs
// take a key where ours takes a file.
func maybeKey(s string) bool {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || len(b) != 32 {
		return false
	}
	_, err = os.Stat(s)
	return err != nil
}

// findKey returns the private key of the settings, or else that of the data directory dir, or nil
// if there is none yet. warning is not empty if other users can read the file.
func findKey(o *options, dir string) (key *enr.PrivateKey, warning string, err error) {
	switch {
	case o.keyHex != "":
		key, err = enr.ParsePrivateKeyHex(o.keyHex)
		return key, "", err // checkKey has checked it
	case o.nodeKey != "":
		return readKey(o.from("nodekey"), o.nodeKey)
	case dir == "":
		return nil, "", nil
	}
	key, warning, err = readKey("key file", filepath.Join(dir, "nodekey"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	return key, warning, err
}

// readKey reads a key file. what is "key file" or the setting that names the file, for errors. They
// are usage errors: readKey never changes the file, and only the user knows what it should hold. A
// pipe is an error too, because reading it could block the start.
func readKey(what, path string) (key *enr.PrivateKey, warning string, err error) {
	defer func() {
		if err != nil {
			err = cli.Usage(err)
		}
	}()
	f, err := cli.OpenRegular(path)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", what, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", what, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", what, err)
	}
	defer clear(text)
	if key, err = enr.ParsePrivateKeyHex(string(text)); err != nil {
		return nil, "", fmt.Errorf("%s %s: want a private key of 64 hexadecimal digits", what, path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		warning = fmt.Sprintf("key file %s has mode %04o: other users may read it; run chmod 600", path, info.Mode().Perm())
	}
	return key, warning, nil
}

// writeKey creates the key file. The file gets its name when it is complete and on disk.
func writeKey(path string, key *enr.PrivateKey) error {
	scalar := key.Bytes()
	text := append(hex.AppendEncode(nil, scalar[:]), '\n')
	defer clear(text)
	defer clear(scalar[:])
	if err := atomicfile.Write(path, text, atomicfile.Options{Mode: 0o600}); err != nil {
		return fmt.Errorf("new key file %s: %w", path, err)
	}
	return nil
}
