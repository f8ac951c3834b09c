package archtest

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEmbeddersLinkNoEBPF: a program that embeds the library links nothing of fastpath/xdp and of
// the library that it uses, unless it imports that package.
func TestEmbeddersLinkNoEBPF(t *testing.T) {
	if testing.Short() {
		t.Skip("probed for -short: it runs the go command; make test runs it")
	}
	const ebpf = "github.com/cilium/ebpf"
	for _, test := range []struct {
		of   string
		want bool
	}{
		{".", false}, {"./fastpath", false}, {"./internal/engine", false}, {"./simnet", false}, {"./cmd/discv5", false},
		{"./cmd/bootnode", true},
	} {
		t.Run(test.of, func(t *testing.T) {
			cmd := exec.Command("go", "list", "-deps", test.of)
			cmd.Dir = filepath.Clean(root)
			cmd.Env = append(cmd.Environ(), "GOOS=linux")
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("go list: %v", err)
			}
			linked := slices.ContainsFunc(strings.Fields(string(out)), func(d string) bool {
				return d == ebpf || strings.HasPrefix(d, ebpf+"/") || d == modulePath+"/fastpath/xdp"
			})
			if linked != test.want {
				t.Errorf("links it: %v, want %v", linked, test.want)
			}
		})
	}
}
