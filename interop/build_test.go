package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// buildTimeout covers a cold build of go-ethereum on a small machine.
const buildTimeout = 8 * time.Minute

// buildDir holds the binaries of this run. TestMain creates and removes it.
var buildDir string

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "discv5-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop: temporary directory:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	buildDir = dir
	return m.Run()
}

// bootnodeBinary builds the node under test once, from the parent module.
var bootnodeBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("DISCV5_BOOTNODE"); path != "" {
		return filepath.Abs(path)
	}
	out := filepath.Join(buildDir, "bootnode")
	_, err := goCommand("..", "build", "-o", out, "./cmd/bootnode")
	return out, err
})

// devp2pBinary returns go-ethereum's command line tool. "go tool -n" builds it into the build cache
// at the version in go.mod and prints its path. Running that path directly makes the tool, not
// "go", the child process.
var devp2pBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("DISCV5_DEVP2P"); path != "" {
		return filepath.Abs(path)
	}
	out, err := goCommand(".", "tool", "-n", "devp2p")
	if err != nil {
		return "", err
	}
	path := strings.TrimSpace(out)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("go tool -n devp2p printed no binary: %w", err)
	}
	return path, nil
})

// goCommand runs the go command in dir and returns its standard output.
func goCommand(dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var stderr tail
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, &stderr)
	}
	return string(out), nil
}
