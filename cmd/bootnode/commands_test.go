package main

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra/doc"

	"github.com/fastdisc/discv5/internal/cli"
)

// manDir is where TestManPage leaves the manual page, for releases.
var manDir = flag.String("man", "", "directory for the manual pages")

// runIn runs the program in this process.
func runIn(env []string, args ...string) (code int, stdout, stderr string) {
	s := testSystem()
	s.environ = env
	var out, errs bytes.Buffer
	code = run(args, s, &out, &errs)
	return code, out.String(), errs.String()
}

func TestHealth(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--http", anyPort)
	p.findHTTP(t)
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		http.Error(w, "socket failed\x1b[31m", http.StatusServiceUnavailable)
	}))
	defer sick.Close()
	const closed = "127.0.0.1:9" // discard
	_, port, _ := strings.Cut(p.http, ":")
	config := write(t, `http = "`+p.http+`"`, 0o600)
	for _, test := range []struct {
		name string
		env  []string
		args []string
		code int
		want string // in the output
	}{
		{"by flag", nil, []string{"--http", p.http}, cli.ExitOK, "ok\n"},
		{"by metrics", nil, []string{"--metrics", p.metrics}, cli.ExitOK, "ok\n"},
		{"by variable", []string{"DISCV5_HTTP=" + p.http}, nil, cli.ExitOK, "ok\n"},
		{"by file", nil, []string{"--config", config}, cli.ExitOK, "ok\n"},
		{"wildcard", nil, []string{"--http", "0.0.0.0:" + port}, cli.ExitOK, "ok\n"},
		{"help", nil, []string{"--help"}, cli.ExitOK, "bootnode health"},
		{"unhealthy", nil, []string{"--http", strings.TrimPrefix(sick.URL, "http://")}, cli.ExitFailed, "socket failed"},
		{"nobody listens", nil, []string{"--http", closed}, cli.ExitFailed, "refused"},
		{"no address", nil, nil, cli.ExitUsage, "--http or --metrics"},
		{"bad address", nil, []string{"--http", "nowhere"}, cli.ExitUsage, "HOST:PORT"},
		{"unknown flag", nil, []string{"--htp", "x"}, cli.ExitUsage, "--htp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := runIn(test.env, append([]string{"health"}, test.args...)...)
			text := stdout + stderr
			if code != test.code || !strings.Contains(text, test.want) || strings.Contains(text, "\x1b") || code != 0 && strings.Count(text, "\n") != 1 {
				t.Errorf("code %d, output %q, errors %q; want %d and %q", code, stdout, stderr, test.code, test.want)
			}
		})
	}
	p.stop(t)
}

func TestCompletion(t *testing.T) {
	for shell, want := range map[string]string{
		"bash": "__start_bootnode", "zsh": "#compdef bootnode", "fish": "complete -c bootnode", "powershell": "Register-ArgumentCompleter",
	} {
		t.Run(shell, func(t *testing.T) {
			code, stdout, stderr := runIn(nil, "completion", shell)
			if code != cli.ExitOK || !strings.Contains(stdout, want) || stderr != "" {
				t.Errorf("code %d, %d bytes without %q, errors %q", code, len(stdout), want, stderr)
			}
		})
	}
	t.Run("unknown shell", func(t *testing.T) {
		code, stdout, stderr := runIn(nil, "completion", "foo")
		if code != cli.ExitUsage || stdout != "" || !strings.Contains(stderr, `unknown shell "foo": want bash, fish, powershell or zsh`) {
			t.Errorf("code %d, output %q, errors %q", code, stdout, stderr)
		}
	})
	t.Run("flags", func(t *testing.T) {
		code, stdout, _ := runIn(nil, "__complete", "--log-")
		if code != cli.ExitOK || !strings.Contains(stdout, "--log-level") || strings.Contains(stdout, "--addr") {
			t.Errorf("code %d, %q", code, stdout)
		}
	})
}

// TestManPage makes the manual pages, which name every flag. With -man it leaves them in a
// directory.
func TestManPage(t *testing.T) {
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	root := newCommands(testSystem(), os.Stdout, os.Stderr)
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Title: "BOOTNODE", Section: "1", Source: "discv5", Manual: "Node Discovery v5.1"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "bootnode.1"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), `\-`, "-")
	for _, name := range cli.FlagNames(flagSet(new(options))) {
		if !strings.Contains(text, "--"+name) {
			t.Errorf("the manual page has nothing about --%s", name)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bootnode-health.1")); err != nil {
		t.Error(err)
	}
}
