package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// open creates a file without a name, which vanishes with the process (O_TMPFILE, Linux 3.11). On
// file systems without such files it creates a named file.
func open(path string, mode fs.FileMode) (f *os.File, named bool, err error) {
	dir := filepath.Dir(path)
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		f, err = openNamed(path, mode)
		return f, true, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir, "(unnamed)")), false, nil
}

// attempts bounds the retries when another process takes the temporary name.
const attempts = 8

// publish gives the file its name. Only complete files ever have the temporary name, so it is safe
// to replace a leftover.
func publish(f *os.File, named bool, path string, exclusive bool) error {
	if named {
		return publishNamed(f, path, exclusive)
	}
	if exclusive {
		return link(f, path)
	}
	tmp := temporary(path, "")
	var err error
	for range attempts {
		if err = link(f, tmp); errors.Is(err, fs.ErrExist) {
			os.Remove(tmp)
			continue
		}
		if err != nil {
			return err
		}
		if err = os.Rename(tmp, path); err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			os.Remove(tmp)
			return err
		}
	}
	return err
}

func link(f *os.File, path string) error {
	from := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	if err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: f.Name(), New: path, Err: err}
	}
	return nil
}
