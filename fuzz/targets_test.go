package fuzz

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The list of doc.go has every target, and nothing else.
func TestTargetsListed(t *testing.T) {
	found := map[string][]string{}
	pattern := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "node_modules", "target", "bin"}, d.Name())) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		dir, rel := filepath.Rel("..", filepath.Dir(path))
		if rel != nil {
			return rel
		}
		for _, m := range pattern.FindAllSubmatch(text, -1) {
			found[filepath.ToSlash(dir)] = append(found[filepath.ToSlash(dir)], string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	listed := listedTargets(t)
	for dir, names := range found {
		for _, n := range names {
			if !slices.Contains(listed[dir], n) {
				t.Errorf("fuzz/doc.go does not list %s of %s", n, dir)
			}
		}
	}
	for dir, names := range listed {
		for _, n := range names {
			if !slices.Contains(found[dir], n) {
				t.Errorf("fuzz/doc.go lists %s of %s, which is not there", n, dir)
			}
		}
	}
}

// listedTargets are those of the list in doc.go, by directory.
func listedTargets(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string][]string{}
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(line, "//\t"), ",", ""))
		switch {
		case !strings.HasPrefix(line, "//\t") || len(words) < 2:
		case strings.HasPrefix(words[0], "Fuzz"):
			listed["fuzz"] = append(listed["fuzz"], words[0])
		default:
			listed[words[0]] = append(listed[words[0]], words[1:]...)
		}
	}
	return listed
}
