package archtest

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// No package of the module depends on a part of another Ethereum client, on any platform.
func TestNoForeignClient(t *testing.T) {
	if testing.Short() {
		t.Skip("probed for -short: it runs the go command; make test runs it")
	}
	for _, platform := range []string{"linux/amd64", "darwin/arm64", "windows/amd64"} {
		goos, goarch, _ := strings.Cut(platform, "/")
		cmd := exec.Command("go", "list", "-deps", "-test", "./...")
		cmd.Dir = filepath.Clean(root)
		cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, modulePath+"/internal/engine") {
			t.Fatalf("go list of %s names %d packages, without the module's own", platform, len(deps))
		}
		for _, d := range deps {
			for _, foreign := range []string{"github.com/ethereum/", "github.com/sigp/", "github.com/libp2p/"} {
				if strings.HasPrefix(d, foreign) {
					t.Errorf("%s: the module depends on %s", platform, d)
				}
			}
		}
	}
}
