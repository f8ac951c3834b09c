//go:build ignore

// Minimize selects inputs from the cache of go test -fuzz that reach code which no seed reaches,
// and copies these few to testdata/fuzz.
//
//	go run ossfuzz/minimize.go ./enr FuzzParse FuzzText
//
// It runs each input separately, with coverage of the whole module, and takes the input that adds
// most coverage until none adds any. File names are hashes of the content, as those of go test.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: minimize PACKAGE TARGET...")
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		log.Fatal("minimize: ", err)
	}
}

func run(pkg string, targets []string) error {
	list, err := output("go", "list", "-f", "{{.Dir}} {{.ImportPath}}", pkg)
	if err != nil {
		return err
	}
	cache, err := output("go", "env", "GOCACHE")
	if err != nil {
		return err
	}
	dir, path, _ := strings.Cut(list, " ")
	work, err := os.MkdirTemp("", "minimize")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	binary := filepath.Join(work, "test")
	if _, err := output("go", "test", "-c", "-cover", "-coverpkg", "./...", "-o", binary, pkg); err != nil {
		return err
	}
	for _, target := range targets {
		m := minimizer{binary: binary, profile: filepath.Join(work, "profile"), dir: dir, target: target}
		if err := m.minimize(filepath.Join(cache, "fuzz", path, target)); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	return nil
}

type minimizer struct{ binary, profile, dir, target string }

// minimize selects inputs from the directory found.
func (m *minimizer) minimize(found string) error {
	reached, err := m.coverage("^" + m.target + "$")
	if err != nil {
		return err
	}
	seeds := len(reached)
	files, err := os.ReadDir(found)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	corpus := filepath.Join(m.dir, "testdata", "fuzz", m.target)
	if err := os.MkdirAll(corpus, 0o755); err != nil {
		return err
	}
	// An input runs from a file in testdata with an unused name.
	const name = "minimize-candidate"
	candidate := filepath.Join(corpus, name)
	defer os.Remove(candidate)
	blocks := map[string]map[string]bool{}
	for _, f := range files {
		input, err := os.ReadFile(filepath.Join(found, f.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(candidate, input, 0o644); err != nil {
			return err
		}
		if blocks[f.Name()], err = m.coverage("^" + m.target + "$/^" + name + "$"); err != nil {
			return fmt.Errorf("input %s: %w", f.Name(), err)
		}
	}
	os.Remove(candidate)
	kept := 0
	for {
		best, most := "", 0
		for _, f := range files {
			n := 0
			for b := range blocks[f.Name()] {
				if !reached[b] {
					n++
				}
			}
			if n > most {
				best, most = f.Name(), n
			}
		}
		if most == 0 {
			break
		}
		for b := range blocks[best] {
			reached[b] = true
		}
		input, err := os.ReadFile(filepath.Join(found, best))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(corpus, best), input, 0o644); err != nil {
			return err
		}
		kept++
	}
	os.Remove(corpus) // it stays if it has a file
	fmt.Printf("%s: %d blocks by seeds; %d of %d inputs kept, %d blocks\n", m.target, seeds, kept, len(files), len(reached))
	return nil
}

// coverage returns the blocks that the tests reach.
func (m *minimizer) coverage(tests string) (map[string]bool, error) {
	cmd := exec.Command(m.binary, "-test.run", tests, "-test.coverprofile", m.profile)
	cmd.Dir = m.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	profile, err := os.ReadFile(m.profile)
	if err != nil {
		return nil, err
	}
	reached := map[string]bool{}
	for line := range strings.Lines(string(profile)) {
		block, count, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && !strings.HasSuffix(count, " 0") && !strings.HasPrefix(line, "mode:") {
			reached[block] = true
		}
	}
	return reached, nil
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}
