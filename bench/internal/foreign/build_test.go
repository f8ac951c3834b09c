package foreign

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The package distinguishes a machine without toolchains from sources that do not build.
func TestProbe(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(CacheEnv, t.TempDir())
	for name, build := range map[string]func(string) (Program, error){"Rust": Rust, "TypeScript": TypeScript} {
		if _, err := build("../../../interop"); !errors.Is(err, ErrProbe) || !errors.Is(err, exec.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An installation that is there is used as it is.
func TestInstallOnce(t *testing.T) {
	cache := t.TempDir()
	final := filepath.Join(cache, "js")
	if err := os.MkdirAll(filepath.Join(final, "node_modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := install(cache, final, nil, nil); err != nil {
		t.Error(err)
	}
	if err := install(cache, filepath.Join(cache, "other"), nil, nil); !errors.Is(err, ErrProbe) {
		t.Errorf("installed without npm: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "js-new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
