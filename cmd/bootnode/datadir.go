package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// defaultDataDir is the directory for data of this program in the user's home.
func defaultDataDir() (string, error) {
	if runtime.GOOS != "linux" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return "", fmt.Errorf("%w: %w; give a directory with --datadir", errNoHome, err)
		}
		return filepath.Join(dir, "discv5"), nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "discv5"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w; give a directory with --datadir", errNoHome, err)
	}
	return filepath.Join(home, ".local", "share", "discv5"), nil
}

func dataDirHelp() string {
	if runtime.GOOS == "linux" {
		return "$XDG_DATA_HOME/discv5 or ~/.local/share/discv5"
	}
	return "discv5 in the user's configuration directory"
}

// errNoHome: the user has no directory for data.
var errNoHome = errors.New("no home directory")

// dataDirOf returns the name of the data directory, which may be missing.
func dataDirOf(o *options) (string, error) {
	dir := o.dataDir
	if dir == "" {
		var err error
		if dir, err = defaultDataDir(); err != nil {
			return "", err
		}
	}
	info, err := os.Stat(dir)
	switch {
	case (err != nil || info.IsDir()) && !errors.Is(err, syscall.ENOTDIR):
		return dir, nil
	case o.dataDir == "":
		return dir, fmt.Errorf("data directory %s: not a directory", dir)
	}
	return dir, usageError{fmt.Errorf("%s %s: not a directory", o.from("datadir"), dir)}
}

// openDataDir makes the data directory if it is missing. It returns its name also if that fails.
func openDataDir(o *options) (string, error) {
	dir, err := dataDirOf(o)
	if err != nil {
		return dir, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return dir, fmt.Errorf("data directory: %w", err)
	}
	return dir, nil
}
