package main

import (
	"errors"
	"fmt"
	"os"
)

// files are where reports go. A file keeps its old content until there is a report to replace it.
type files struct {
	json, html *file
	stdout     bool // JSON goes there
}

// file is one of them.
type file struct {
	*os.File
	made bool // it was not there before
	used bool // a report is in it
}

// openFiles opens the files of the command line before the run, which would be lost if it failed
// later.
func openFiles(o *options) (*files, error) {
	f := &files{stdout: o.json == "-"}
	for _, w := range []struct {
		name, flag string
		to         **file
	}{{o.json, "json", &f.json}, {o.html, "html", &f.html}} {
		if w.name == "" || w.name == "-" {
			continue
		}
		opened, err := openFile(w.name)
		if err != nil {
			f.discard()
			return nil, fmt.Errorf("--%s: %w", w.flag, err)
		}
		*w.to = opened
	}
	if same(f.json, f.html) {
		f.discard()
		return nil, fmt.Errorf("--html %s: want a file of its own", o.html)
	}
	return f, nil
}

func openFile(name string) (*file, error) {
	opened, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err == nil {
		return &file{File: opened, made: true}, nil
	}
	if errors.Is(err, os.ErrExist) {
		opened, err = os.OpenFile(name, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	return &file{File: opened}, nil
}

// same reports whether two names are of one regular file.
func same(a, b *file) bool {
	if a == nil || b == nil {
		return false
	}
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && x.Mode().IsRegular() && os.SameFile(x, y)
}

// replace puts b into a file, in place of all that was there.
func (f *file) replace(b []byte) error {
	f.used = true
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	_, err := f.Write(b)
	return err
}

// discard closes files, and removes new ones without a report.
func (f *files) discard() {
	for _, one := range []*file{f.json, f.html} {
		if one == nil {
			continue
		}
		one.Close()
		if one.made && !one.used {
			os.Remove(one.Name())
		}
	}
}
