//go:build !linux

package atomicfile

import (
	"io/fs"
	"os"
)

func open(path string, mode fs.FileMode) (f *os.File, named bool, err error) {
	f, err = openNamed(path, mode)
	return f, true, err
}

func publish(f *os.File, _ bool, path string, exclusive bool) error {
	return publishNamed(f, path, exclusive)
}
