// Package foreign builds the drivers of module interop, each a program that runs one node of
// another implementation. They are built from the same sources and lock files as for the
// interoperation tests, but optimized in full, and in a cache of their own, so that neither run
// undoes the other's work.
//
//   - cache: $DISCV5_PERF_CACHE, or discv5-perf below the user's cache directory
//   - probe: a question to a toolchain that tells whether it is there
package foreign

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// CacheEnv names the directory for builds.
const CacheEnv = "DISCV5_PERF_CACHE"

const (
	probeTimeout = 30 * time.Second
	fetchTimeout = 4 * time.Minute
	buildTimeout = 15 * time.Minute
)

// ErrProbe is wrapped by errors about a toolchain or registry that is not there.
var ErrProbe = errors.New("probed")

// Program is a driver that can be started.
type Program struct {
	Argv    []string
	Version string // of the implementation and of what runs it
}

func cacheDir() (string, error) {
	dir := os.Getenv(CacheEnv)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("%w; set %s", err, CacheEnv)
		}
		dir = filepath.Join(user, "discv5-perf")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// Rust compiles the driver of the crate discv5. interop is the directory of the module.
func Rust(interop string) (p Program, err error) {
	dir := filepath.Join(interop, "rust")
	about, err := run(probeTimeout, dir, "cargo", "--version")
	if err != nil {
		return p, fmt.Errorf("%w the Rust toolchain: %w", ErrProbe, err)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "Cargo.toml"))
	if err != nil {
		return p, err
	}
	version := regexp.MustCompile(`(?m)^discv5 = "=?([^"]+)"`).FindSubmatch(manifest)
	if version == nil {
		return p, errors.New("no version of discv5 in Cargo.toml")
	}
	cache, err := cacheDir()
	if err != nil {
		return p, err
	}
	if _, err := run(fetchTimeout, dir, "cargo", "fetch", "--locked"); err != nil {
		return p, fmt.Errorf("%w the registry of Rust crates: %w", ErrProbe, err)
	}
	target := filepath.Join(cache, "rust")
	args := []string{"build", "--release", "--locked", "--offline", "--target-dir", target}
	for _, what := range []string{"", "package.k256.", "package.crypto-bigint."} {
		args = append(args, "--config", "profile.release."+what+"opt-level=3")
	}
	if _, err := run(buildTimeout, dir, "cargo", args...); err != nil {
		return p, err
	}
	return Program{
		Argv:    []string{filepath.Join(target, "release", "discv5-rust-driver")},
		Version: fmt.Sprintf("crate discv5 %s, %s, opt-level 3", version[1], strings.Join(first(strings.Fields(about), 2), " ")),
	}, nil
}

// TypeScript installs what the driver of @chainsafe/discv5 needs. interop is the directory of the
// module.
func TypeScript(interop string) (p Program, err error) {
	dir := filepath.Join(interop, "js")
	node, err := run(probeTimeout, dir, "node", "--version")
	if err != nil {
		return p, fmt.Errorf("%w Node.js: %w", ErrProbe, err)
	}
	if _, err := run(probeTimeout, dir, "npm", "--version"); err != nil {
		return p, fmt.Errorf("%w npm: %w", ErrProbe, err)
	}
	names := []string{"package.json", "package-lock.json"}
	texts := make([][]byte, 0, 3)
	sum := sha256.New()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return p, err
		}
		texts = append(texts, b)
		sum.Write(b)
	}
	var manifest struct{ Dependencies map[string]string }
	if err := json.Unmarshal(texts[0], &manifest); err != nil {
		return p, fmt.Errorf("package.json: %w", err)
	}
	cache, err := cacheDir()
	if err != nil {
		return p, err
	}
	final := filepath.Join(cache, fmt.Sprintf("js-%x", sum.Sum(nil)[:8]))
	if err := install(cache, final, names, texts); err != nil {
		return p, err
	}
	// Modules are looked up from where the importing file is.
	driver, err := os.ReadFile(filepath.Join(dir, "driver.mjs"))
	if err != nil {
		return p, err
	}
	path := filepath.Join(final, "driver.mjs")
	if err := os.WriteFile(path, driver, 0o644); err != nil {
		return p, err
	}
	return Program{
		Argv:    []string{"node", path},
		Version: fmt.Sprintf("@chainsafe/discv5 %s, Node.js %s", manifest.Dependencies["@chainsafe/discv5"], strings.TrimSpace(node)),
	}, nil
}

// install makes directory final unless it is there. An installation that is cut short is not seen.
func install(cache, final string, names []string, texts [][]byte) error {
	if _, err := os.Stat(filepath.Join(final, "node_modules")); err == nil {
		return nil
	}
	dir, err := os.MkdirTemp(cache, "js-new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), texts[i], 0o644); err != nil {
			return err
		}
	}
	if _, err := run(fetchTimeout, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"); err != nil {
		return fmt.Errorf("%w the npm registry: %w", ErrProbe, err)
	}
	return os.Rename(dir, final)
}

// run returns the standard output of a program. An error has the last lines of its log.
func run(timeout time.Duration, dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(first(args, 2), " "), err, strings.Join(lines[max(0, len(lines)-3):], "; "))
	}
	return string(out), nil
}

func first(list []string, n int) []string { return list[:min(n, len(list))] }
