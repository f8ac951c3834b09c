package main

import (
	"os"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/proctest"
)

func textOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// changeFile replaces a part of a file.
func changeFile(t *testing.T, path, old, replacement string) {
	t.Helper()
	text := textOf(t, path)
	changed := strings.Replace(text, old, replacement, 1)
	if changed == text {
		t.Fatalf("%q is not in %s", old, path)
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWrongChainFiles: a start with a wrong description of a chain ends with exit code 2 and one
// line that names the file and the place. A node that runs keeps the chain that it has.
func TestWrongChainFiles(t *testing.T) {
	t.Parallel()
	file := chainFile(t, 5)
	good := textOf(t, file)
	genesis := write(t, textOf(t, "../../forks/testdata/sepolia-genesis.json"), 0o600)
	p := startWith(t, t.TempDir(), nil, "--chain-config", file, "--genesis-validators-root", testRoot, "--genesis-time", "1", "--http", anyPort)
	before := p.identity(t)
	for _, test := range []struct{ name, file, old, replacement, place string }{
		{"forks out of order", file, "FULU_FORK_EPOCH: 5\n", "FULU_FORK_EPOCH: 5\nGLOAS_FORK_VERSION: 0x80000001\nGLOAS_FORK_EPOCH: 4\n", "gloas"},
		{"a fork without a version", file, "FULU_FORK_VERSION: 0x70000001\n", "", "FULU_FORK_VERSION"},
		{"a version that is no number", file, "0x70000001", "seven", "FULU_FORK_VERSION"},
		{"an epoch that is no number", file, "FULU_FORK_EPOCH: 5", "FULU_FORK_EPOCH: five", "FULU_FORK_EPOCH"},
		{"no YAML", file, "PRESET_BASE: minimal", "PRESET_BASE: [", "line"},
		{"an unknown preset", file, "SLOTS_PER_EPOCH: 1\n", "", "PRESET_BASE"},
		{"two forks of blobs", file, "BLOB_SCHEDULE: [", "BLOB_SCHEDULE: [{EPOCH: 8, MAX_BLOBS_PER_BLOCK: 9}, ", "8"},
		{"a genesis block with a wrong number", genesis, `"timestamp"`, `"number": "many", "timestamp"`, "many"},
		{"a genesis block without forks", genesis, `"config"`, `"conf"`, "config"},
	} {
		t.Run(test.name, func(t *testing.T) {
			original := textOf(t, test.file)
			if test.old == "SLOTS_PER_EPOCH: 1\n" {
				changeFile(t, test.file, "PRESET_BASE: minimal", "PRESET_BASE: odd")
			}
			changeFile(t, test.file, test.old, test.replacement)
			defer os.WriteFile(test.file, []byte(original), 0o600)
			args := []string{"--chain-config", test.file}
			if test.file == file {
				args = append(args, "--genesis-validators-root", testRoot, "--genesis-time", "1")
			}
			var out, errs proctest.Buffer
			code := run(args, testSystem(), &out, &errs)
			line := errs.String()
			if code != cli.ExitUsage || strings.Count(line, "\n") != 1 || !strings.Contains(line, test.file) || !strings.Contains(line, test.place) {
				t.Errorf("exit code %d: %s; want the file and %q", code, line, test.place)
			}
			if test.file != file {
				return
			}
			p.hangUp(t, "settings were not reloaded")
			if now := p.identity(t); now.Seq() != before.Seq() || now.String() != before.String() {
				t.Errorf("the record has changed to %v", now)
			}
		})
	}
	if textOf(t, file) != good {
		t.Fatal("the file is not what it was")
	}
	p.hangUp(t, "settings were reloaded")
	p.stop(t)
}
