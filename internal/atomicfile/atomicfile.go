// Package atomicfile writes files that appear complete or not at all. A program that is killed
// while it writes leaves nothing behind: on Linux the content has no name until it is complete, and
// elsewhere the next write removes what an earlier one left.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ErrReadOnly is wrapped by the error about an existing file that nobody may write to.
var ErrReadOnly = errors.New("file is read-only")

// Options says how a file is written.
type Options struct {
	// Mode is that of a new file, before umask.
	Mode fs.FileMode
	// Exclusive refuses to replace a file; the error wraps fs.ErrExist.
	Exclusive bool
	// Keep follows a link, keeps the mode of an existing file, and refuses one that its owner may
	// not write to with ErrReadOnly.
	Keep bool
}

// leftoverAge is how old a file of an earlier write is before it is removed: no write takes so
// long.
const leftoverAge = time.Hour

// Write writes content to the file path, or replaces that file: a reader sees the old content or
// the new one. The content is on disk before it has the name.
func Write(path string, content []byte, o Options) error {
	path, mode, err := o.target(path)
	if err != nil {
		return err
	}
	f, named, err := open(path, o.Mode)
	if err != nil {
		return err
	}
	defer f.Close()
	if named {
		defer os.Remove(f.Name())
	}
	if _, err = f.Write(content); err == nil && mode != 0 {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return err
	}
	if err := publish(f, named, path, o.Exclusive); err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// Check tells whether Write could write the file path, as far as that can be known without writing.
func Check(path string, o Options) error {
	path, _, err := o.target(path)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil && o.Exclusive {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	f, named, err := open(path, o.Mode)
	if err != nil {
		return err
	}
	f.Close()
	if named {
		os.Remove(f.Name())
	}
	return nil
}

// target is the file to write, and the mode to give it: 0 is that of a new one, which umask cuts.
func (o Options) target(path string) (string, fs.FileMode, error) {
	if !o.Keep {
		return path, 0, nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	if err != nil {
		return path, 0, nil // there is none, or open says why
	}
	mode := info.Mode().Perm()
	switch {
	case !info.Mode().IsRegular():
		return path, 0, &fs.PathError{Op: "replace", Path: path, Err: errors.New("not a regular file")}
	case mode&0o200 == 0:
		return path, 0, fmt.Errorf("%w (mode %04o)", ErrReadOnly, mode)
	}
	return path, mode, nil
}

// temporary is the name next to path of a file that is not complete.
func temporary(path, suffix string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new"+suffix)
}

// openNamed opens a file under a temporary name, and removes what earlier processes left there.
func openNamed(path string, mode fs.FileMode) (*os.File, error) {
	left, _ := filepath.Glob(escape(temporary(path, "-")) + "*") // a bad pattern finds nothing
	for _, name := range left {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) > leftoverAge {
			os.Remove(name)
		}
	}
	name := temporary(path, "-"+strconv.Itoa(os.Getpid())+"-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

// escape makes a pattern of filepath.Glob that matches a name.
func escape(name string) string {
	var b []rune
	for _, c := range name {
		if (c == '*' || c == '?' || c == '[' || c == '\\') && filepath.Separator == '/' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return string(b)
}

// publishNamed gives a file that has a temporary name its own one.
func publishNamed(f *os.File, path string, exclusive bool) error {
	if err := f.Close(); err != nil {
		return err
	}
	if !exclusive {
		return os.Rename(f.Name(), path)
	}
	// A link, unlike a rename, does not replace a file that another process has just made.
	if err := os.Link(f.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return os.Rename(f.Name(), path) // a file system without links
}

// syncDir stores the name. The content is stored already, so a failure leaves a good file.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
