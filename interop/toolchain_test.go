package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// requireEnv set to 1 makes tests fail that would be skipped because a toolchain is missing.
	requireEnv = "DISCV5_INTEROP_REQUIRE"
	// cacheEnv names the directory for builds of the drivers, which outlives a test run.
	cacheEnv = "DISCV5_INTEROP_CACHE"

	probeTimeout = 30 * time.Second // one probe of a tool
	fetchTimeout = 4 * time.Minute  // downloads from a package registry
)

// Minimum toolchain versions of the drivers' dependencies.
const (
	minCargo = "1.89"
	minNode  = "20"
)

// unavailable reports what a driver's build lacks on this machine, and what was probed.
type unavailable struct{ error }

func (u unavailable) Unwrap() error { return u.error }

func lacking(format string, args ...any) error { return unavailable{fmt.Errorf(format, args...)} }

// implementation is a foreign implementation that tests run as a process.
type implementation struct {
	name string
	// command builds the driver once per test run, and returns the command that starts it.
	command func() ([]string, error)
}

var (
	rust       = &implementation{"Rust", sync.OnceValues(buildRust)}
	typeScript = &implementation{"TypeScript", sync.OnceValues(buildJS)}
)

// require skips the test, or fails it if requireEnv is set, if the driver cannot be built because a
// toolchain or a registry is missing. Any other build error is a failure.
func (i *implementation) require(t *testing.T) {
	t.Helper()
	start := time.Now()
	_, err := i.command()
	if d := time.Since(start); d > time.Second {
		t.Logf("driver for %s ready after %v", i.name, d.Round(100*time.Millisecond))
	}
	var missing unavailable
	switch {
	case err == nil:
	case errors.As(err, &missing) && os.Getenv(requireEnv) != "1":
		t.Skipf("%s driver: %v", i.name, err)
	default:
		t.Fatalf("%s driver: %v", i.name, err)
	}
}

// cacheDir returns a directory that outlives the run, or a temporary one if the user has none.
func cacheDir() (string, error) {
	dir := os.Getenv(cacheEnv)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return buildDir, nil
		}
		dir = filepath.Join(user, "discv5-interop")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// tool runs a program of a toolchain in dir and returns its standard output. Errors include the end
// of its log.
func tool(timeout time.Duration, dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var log tail
	cmd.Stderr = &log
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("not within %v: %w", timeout, err)
		}
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, &log)
	}
	return string(out), nil
}

// buildRust compiles rust/ into the cache. Cargo knows what is up to date, and locks the directory.
func buildRust() ([]string, error) {
	about, err := tool(probeTimeout, "rust", "cargo", "-vV")
	if err != nil {
		return nil, lacking("probed the Rust toolchain: %w", err)
	}
	release, host := field(about, "release: "), field(about, "host: ")
	if olderThan(release, minCargo) {
		return nil, lacking("probed the Rust toolchain: cargo %s, the dependencies need %s", release, minCargo)
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, fmt.Errorf("cache directory: %w", err)
	}
	// The downloads come first, so that a failed build is an error of the build.
	if _, err := tool(fetchTimeout, "rust", "cargo", "fetch", "--locked", "--target", host); err != nil {
		if strings.Contains(err.Error(), "--locked") && strings.Contains(err.Error(), "lock file") {
			return nil, err // Cargo.toml and Cargo.lock do not match
		}
		return nil, lacking("probed the registry of Rust crates: %w", err)
	}
	target := filepath.Join(cache, "rust")
	if _, err := tool(buildTimeout, "rust", "cargo", "build", "--release", "--locked", "--offline", "--target-dir", target); err != nil {
		if strings.Contains(err.Error(), "linker `") && strings.Contains(err.Error(), "not found") {
			return nil, lacking("probed the linker: %w", err)
		}
		return nil, err
	}
	return []string{filepath.Join(target, "release", "discv5-rust-driver")}, nil
}

// buildJS installs the dependencies of js/ into the cache, in a directory per lock file, and copies
// the driver next to it.
func buildJS() ([]string, error) {
	for _, name := range []string{"node", "npm"} {
		version, err := tool(probeTimeout, "js", name, "--version")
		if err != nil {
			return nil, lacking("probed the Node.js toolchain: %w", err)
		}
		if v := strings.TrimPrefix(strings.TrimSpace(version), "v"); name == "node" && olderThan(v, minNode) {
			return nil, lacking("probed the Node.js toolchain: node %s, the driver needs %s", v, minNode)
		}
	}
	modules, err := installJS("package.json", "package-lock.json")
	if err != nil {
		return nil, err
	}
	// Modules are resolved from the directory of the importing file.
	dir := filepath.Join(buildDir, "js")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		return nil, err
	}
	if err := copyFiles(dir, "package.json", "driver.mjs"); err != nil {
		return nil, err
	}
	return []string{"node", filepath.Join(dir, "driver.mjs")}, nil
}

// installJS returns the directory with the dependencies of the named files of js/.
func installJS(names ...string) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", fmt.Errorf("cache directory: %w", err)
	}
	sum := sha256.New()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("js", name))
		if err != nil {
			return "", err
		}
		sum.Write(b)
	}
	final := filepath.Join(cache, fmt.Sprintf("js-%x", sum.Sum(nil)[:8]))
	modules := filepath.Join(final, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	// No one must see an installation that was interrupted, or that two processes made.
	dir, err := os.MkdirTemp(cache, "js-new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := copyFiles(dir, names...); err != nil {
		return "", err
	}
	if _, err := tool(fetchTimeout, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"); err != nil {
		for _, ours := range []string{"EUSAGE", "EINTEGRITY", "EBADENGINE"} {
			if strings.Contains(err.Error(), ours) {
				// package.json, package-lock.json and the registry do not match
				return "", err
			}
		}
		return "", lacking("probed the npm registry: %w", err)
	}
	if err := os.Rename(dir, final); err != nil {
		if _, there := os.Stat(modules); there != nil {
			return "", err
		}
	}
	return modules, nil
}

func copyFiles(dir string, names ...string) error {
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("js", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// field returns the rest of the line of s that begins with prefix.
func field(s, prefix string) string {
	for line := range strings.Lines(s) {
		if v, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// olderThan compares versions such as "1.95.0" and "1.89", number by number. Other text counts as
// 0.
func olderThan(version, least string) bool {
	v, l := strings.Split(version, "."), strings.Split(least, ".")
	for i := range l {
		var a, b int
		if i < len(v) {
			a, _ = strconv.Atoi(v[i])
		}
		if b, _ = strconv.Atoi(l[i]); a != b {
			return a < b
		}
	}
	return false
}

// TestDrivers builds the drivers, which takes minutes where there is no cache of them yet. The
// tests that need them do so too.
func TestDrivers(t *testing.T) {
	for _, impl := range []*implementation{rust, typeScript} {
		t.Run(impl.name, impl.require)
	}
}

func TestOlderThan(t *testing.T) {
	for _, tt := range []struct {
		version, least string
		want           bool
	}{
		{"1.95.0", "1.89", false}, {"1.89.0", "1.89", false}, {"1.88.9", "1.89", true}, {"2.0.0", "1.89", false},
		{"20.20.2", "20", false}, {"18.1.0", "20", true}, {"", "20", true},
	} {
		if got := olderThan(tt.version, tt.least); got != tt.want {
			t.Errorf("olderThan(%q, %q) = %v", tt.version, tt.least, got)
		}
	}
	if got := field("cargo 1.95.0\nrelease: 1.95.0\n", "release: "); got != "1.95.0" {
		t.Errorf("field: %q", got)
	}
}

// TestUnavailable: a missing toolchain is distinguished from a driver that does not build.
func TestUnavailable(t *testing.T) {
	_, err := tool(probeTimeout, ".", "discv5-no-such-program")
	if err = lacking("probed: %w", err); !errors.As(err, new(unavailable)) || !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v is no missing tool", err)
	}
	if !bytes.Contains([]byte(err.Error()), []byte("discv5-no-such-program")) {
		t.Errorf("%v does not say what was probed", err)
	}
}
