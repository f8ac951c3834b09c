package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, content := range []string{"first", "", "second, longer", "3"} {
		if err := Write(path, []byte(content), Options{Mode: 0o644, Keep: true}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != content {
			t.Errorf("%q, want %q", got, content)
		}
	}
	if err := Write(path, []byte("new"), Options{Mode: 0o600, Exclusive: true}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("exclusive: %v", err)
	}
	if err := Write(filepath.Join(dir, "other"), []byte("new"), Options{Mode: 0o600, Exclusive: true}); err != nil {
		t.Error(err)
	}
	if err := Write(filepath.Join(dir, "none", "file"), nil, Options{Mode: 0o600}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file", "other"}) {
		t.Errorf("files %q", got)
	}
}

// The way without O_TMPFILE, on this platform too.
func TestNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a[b]*")
	old := temporary(path, "-1-x")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Skipf("probed for a file with the name %s: %v", old, err)
	}
	past := time.Now().Add(-2 * leftoverAge)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	young := temporary(path, "-2-x")
	if err := os.WriteFile(young, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, exclusive := range []bool{true, false, true} {
		f, err := openNamed(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, i)
		err = publishNamed(f, path, exclusive)
		if (err != nil) != (i == 2) || i == 2 && !errors.Is(err, fs.ErrExist) {
			t.Errorf("%d: %v", i, err)
		}
		os.Remove(f.Name())
	}
	if got := read(t, path); got != "1" {
		t.Errorf("%q", got)
	}
	if got := names(t, dir); len(got) != 2 || !slices.Contains(got, filepath.Base(young)) {
		t.Errorf("files %q", got)
	}
}

func TestKeep(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("probed for file modes: this platform has none")
	}
	dir := t.TempDir()
	path, to := filepath.Join(dir, "link"), filepath.Join(dir, "file")
	if err := os.WriteFile(to, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new"), Options{Mode: 0o600, Keep: true}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(to)
	if err != nil || info.Mode() != 0o640 || read(t, path) != "new" {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link: %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(to, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("newer"), Options{Mode: 0o600, Keep: true}); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "0444") || read(t, path) != "new" {
		t.Errorf("read-only: %v; file holds %q", err, read(t, path))
	}
}

// A file that an earlier write left under the temporary name is replaced.
func TestLeftover(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(temporary(path, ""), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("x"), Options{Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); runtime.GOOS == "linux" && !slices.Equal(got, []string{"file"}) {
		t.Errorf("files %q", got)
	}
}

func TestConcurrentWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 10 {
				// One may lose the race for the name each time; the file is complete in any case.
				Write(path, bytes.Repeat([]byte{byte('a' + i)}, 1000), Options{Mode: 0o600})
				if b, err := os.ReadFile(path); err == nil && (len(b) != 1000 || bytes.Count(b, b[:1]) != 1000) {
					t.Errorf("%d bytes: %.10s", len(b), b)
				}
			}
		})
	}
	wg.Wait()
	if got := names(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("files %q", got)
	}
}
