package archtest

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestS49OneArithmetic: a program links one implementation of the curve, selected by the build tag.
func TestS49OneArithmetic(t *testing.T) {
	if testing.Short() {
		t.Skip("probed for -short: it runs the go command; make test runs it")
	}
	const (
		own       = modulePath + "/internal/curve/k256"
		reference = "github.com/decred/dcrd/dcrec/secp256k1/v4"
	)
	for _, build := range []struct{ tags, want, not string }{{"", own, reference}, {"decred", reference, own}} {
		t.Run("tags="+build.tags, func(t *testing.T) {
			cmd := exec.Command("go", "list", "-deps", "-tags", build.tags, ".", "./cmd/...")
			cmd.Dir = filepath.Clean(root)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("go list: %v", err)
			}
			deps := strings.Fields(string(out))
			if !slices.Contains(deps, build.want) {
				t.Errorf("programs are built without %s", build.want)
			}
			if slices.ContainsFunc(deps, func(d string) bool { return d == build.not || strings.HasPrefix(d, build.not+"/") }) {
				t.Errorf("programs are built with %s", build.not)
			}
		})
	}
}
