package fuzz

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOSSFuzzBuild runs ossfuzz/build.sh with a compiler that writes down what it is asked for.
// Every target of this module is asked for once, under a name of its own, and is one that go test
// knows.
func TestOSSFuzzBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("probed for -short: it runs the go command; make test runs it")
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("probed for bash: ", err)
	}
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	compiler := filepath.Join(dir, "compile_native_go_fuzzer_v2")
	if err := os.WriteFile(compiler, []byte("#!"+bash+"\necho \"$@\" >>\"$LIST\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bash, "-eu", "ossfuzz/build.sh")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "PATH="+dir+string(filepath.ListSeparator)+os.Getenv("PATH"), "LIST="+list)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	built, names := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) != 3 {
			t.Fatalf("build.sh compiles %q, not a package, a target and a name", line)
		}
		built[strings.TrimPrefix(words[0], "github.com/fastdisc/discv5/")+" "+words[1]] = true
		if names[words[2]] {
			t.Errorf("two targets are named %s", words[2])
		}
		names[words[2]] = true
	}
	for dir, targets := range listedTargets(t) {
		if slices.Contains([]string{"fuzz/diff", "fuzz/libsecp"}, dir) {
			continue // Modules of their own.
		}
		for _, target := range targets {
			if !built[dir+" "+target] {
				t.Errorf("build.sh leaves out %s of %s", target, dir)
			}
			delete(built, dir+" "+target)
		}
	}
	for b := range built {
		t.Errorf("build.sh compiles %s, which fuzz/doc.go does not list", b)
	}
	for _, file := range []string{"project.yaml", "Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("..", "ossfuzz", file))
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`github\.com/fastdisc/discv5\b`).Match(text) {
			t.Errorf("%s does not name the repository", file)
		}
	}
}
