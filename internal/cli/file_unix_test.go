//go:build unix

package cli

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestOpenRegular(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", path("link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe", path("link to pipe")); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", path("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, c := range []struct {
		path, text string
		err        error
	}{
		{path("file"), "text", nil},
		{path("link"), "text", nil},
		{os.DevNull, "", nil},
		{path("pipe"), "", ErrNotRegular},
		{path("link to pipe"), "", ErrNotRegular},
		{path("socket"), "", ErrNotRegular},
		{"/dev/zero", "", ErrNotRegular},
		{dir, "", ErrNotRegular},
		{path("missing"), "", fs.ErrNotExist},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			f, err := OpenRegular(c.path)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			defer f.Close()
			if text, err := io.ReadAll(f); err != nil || string(text) != c.text {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}
