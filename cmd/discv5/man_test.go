package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra/doc"
)

// manDir is where TestManPages leaves the manual pages, for releases.
var manDir = flag.String("man", "", "directory for the manual pages")

// TestManPages makes a manual page for each command. With -man it leaves them in a directory.
func TestManPages(t *testing.T) {
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	root := newRoot(&tool{})
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Title: "DISCV5", Section: "1", Source: "discv5", Manual: "Node Discovery v5.1"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"discv5.1", "discv5-crawl.1", "discv5-enr-inspect.1", "discv5-topic-search.1", "discv5-topic-advertise.1"} {
		page, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(page), ".SH OPTIONS") {
			t.Errorf("%s has no options", name)
		}
	}
}
