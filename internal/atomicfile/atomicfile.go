// Package atomicfile writes files that appear complete or not at all. A program that is killed
// while it writes leaves nothing behind: on Linux the content has no name until it is complete; on
// other systems the next write removes leftovers.
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

// ErrReadOnly is wrapped by the error about an existing file that its owner may not write to.
var ErrReadOnly = errors.New("file is read-only")

// Options says how to write a file.
type Options struct {
	// Mode is the mode of a new file, before umask.
	Mode fs.FileMode
	// Exclusive refuses to replace a file; the error wraps fs.ErrExist.
	Exclusive bool
	// Keep follows a link, keeps the mode of an existing file, and refuses to replace a read-only
	// file; the error wraps ErrReadOnly.
	Keep bool
}

// leftoverAge is the minimum age of a leftover to remove. No write takes so long.
const leftoverAge = time.Hour

// Write creates or replaces the file path: a reader sees the old content or the new one. The
// content is on disk before it gets the name.
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

// Check returns the error that Write would return, as far as it can know without writing content.
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

// target returns the file to write, and its mode; 0 stands for the mode of a new file.
func (o Options) target(path string) (string, fs.FileMode, error) {
	if !o.Keep {
		return path, 0, nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	if err != nil {
		return path, 0, nil // a new file, or open returns the error
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

// temporary returns the name, next to path, of an incomplete file.
func temporary(path, suffix string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new"+suffix)
}

// openNamed creates a file with a temporary name, and removes leftovers of earlier processes.
func openNamed(path string, mode fs.FileMode) (*os.File, error) {
	left, _ := filepath.Glob(escape(temporary(path, "-")) + "*") // the pattern is valid
	for _, name := range left {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) > leftoverAge {
			os.Remove(name)
		}
	}
	name := temporary(path, "-"+strconv.Itoa(os.Getpid())+"-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

// escape returns a pattern of filepath.Glob that matches only a name.
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

// publishNamed renames a file from its temporary name to path.
func publishNamed(f *os.File, path string, exclusive bool) error {
	if err := f.Close(); err != nil {
		return err
	}
	if !exclusive {
		return os.Rename(f.Name(), path)
	}
	// Unlike a rename, a link does not replace a file that another process has just created.
	if err := os.Link(f.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return os.Rename(f.Name(), path) // the file system has no links
}

// syncDir writes the name of a file to disk. The content is there already, so an error does no
// harm.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
