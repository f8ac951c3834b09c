package main

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// TestAlertCases plays series of metrics to the alert rules; see deploy/alerts_test.yml.
func TestAlertCases(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("probed for promtool, which is not installed")
	}
	cmd := exec.Command(tool, "test", "rules", "alerts_test.yml")
	cmd.Dir = filepath.Join(root, "deploy")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

// TestContainerFiles: the files for containers parse, and their variables are settings with values
// that the bootnode accepts.
func TestContainerFiles(t *testing.T) {
	variables := make(map[string]bool)
	flagSet(new(options)).VisitAll(func(f *pflag.Flag) { variables[envName(f.Name)] = true })
	for _, file := range [][]string{{"deploy", "compose.yaml"}, {"deploy", "kubernetes.yaml"}, {"deploy", "image", "Containerfile"}} {
		t.Run(file[len(file)-1], func(t *testing.T) {
			text := readText(t, file...)
			names := regexp.MustCompile(`\bDISCV5_[A-Z0-9_]+\b`).FindAllString(text, -1)
			for _, name := range names {
				if !variables[name] && !strings.Contains(text, "DISCV5_ variables") {
					t.Errorf("%s is no setting", name)
				}
			}
			if len(names) == 0 {
				t.Error("no variable is set")
			}
			if filepath.Ext(file[len(file)-1]) != ".yaml" {
				return
			}
			documents := 0
			for d := yaml.NewDecoder(bytes.NewReader([]byte(text))); ; documents++ {
				var v map[string]any
				if err := d.Decode(&v); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if documents == 0 {
				t.Error("no document")
			}
		})
	}
	// These are the variables of compose.yaml if the operator sets none.
	t.Run("defaults of compose.yaml", func(t *testing.T) {
		if code, stdout, stderr := runIn([]string{"DISCV5_EXTIP=", "DISCV5_HTTP=127.0.0.1:6060"}, "--datadir", t.TempDir(), "--check-config"); code != 0 {
			t.Errorf("code %d, %s%s", code, stdout, stderr)
		}
	})
}
