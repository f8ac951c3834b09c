package cli

import (
	"errors"
	"io/fs"
	"os"
)

// ErrNotRegular is wrapped by the error of OpenRegular for a pipe, a device or a directory.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens a file for reading. It refuses files that are not regular, because a program
// that reads a pipe or a terminal may wait forever. os.DevNull is allowed: it is an empty file.
func OpenRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && path != os.DevNull {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	return os.Open(path)
}
