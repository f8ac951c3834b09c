package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

// TestUselessSettings: settings that have no effect are warnings.
func TestUselessSettings(t *testing.T) {
	for _, tt := range []struct {
		name, want string // no warning if want is empty
		args, env  []string
	}{
		{"interface of no filter", "--filter-interface has no effect without --filter", []string{"--filter-interface", "lo"}, nil},
		{"rate of no filter", "DISCV5_FILTER_TOTAL_RATE has no effect without --filter", nil, []string{"DISCV5_FILTER_TOTAL_RATE=9"}},
		{"interface of a filter", "", []string{"--filter-interface", "lo", "--filter", "auto"}, nil},
		{"hosts of no server", "--http-vhosts has no effect without --http", []string{"--http-vhosts", "example.org"}, nil},
		{"hosts of a server", "", []string{"--http-vhosts", "example.org", "--http", anyPort}, nil},
		{"hosts of metrics", "", []string{"--http-vhosts", "example.org", "--metrics", anyPort}, nil},
		{"variable like no setting", "environment variable DISCV5_FOO is not a setting", nil, []string{"DISCV5_FOO=1"}},
		{"variable like a setting", "DISCV5_TOPIC is not a setting; DISCV5_TOPICS is", nil, []string{"DISCV5_TOPIC=1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(mustLoad(t, tt.args, tt.env).warnings, "\n")
			if (got == "") != (tt.want == "") || !strings.HasSuffix(got, tt.want) {
				t.Errorf("warnings %q, want %q", got, tt.want)
			}
		})
	}
}

// TestCheckConfigDataDir: --check-config warns about a data directory that a start cannot create or
// write, and leaves nothing behind.
func TestCheckConfigDataDir(t *testing.T) {
	there := t.TempDir()
	for _, tt := range []struct {
		name, dir, want string
	}{
		{"cannot be created", "/proc/none/x", "no data directory: "},
		{"is there", there, ""},
		{"is missing", filepath.Join(there, "a", "b"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := os.Stat("/proc/self"); err != nil {
				t.Skip("probed for /proc, which this system does not have")
			}
			code, stdout, stderr := runIn(nil, "--datadir", tt.dir, "--check-config")
			if code != cli.ExitOK || !strings.Contains(stdout, "settings are good") || (tt.want == "") != (stderr == "") || !strings.Contains(stderr, tt.want) {
				t.Errorf("code %d, %s%s", code, stdout, stderr)
			}
			if list, err := os.ReadDir(there); err != nil || len(list) > 0 {
				t.Errorf("left behind: %v, %v", list, err)
			}
		})
	}
}

// TestGroupCheckConfig: --check-config names the network of each line.
func TestGroupCheckConfig(t *testing.T) {
	code, stdout, stderr := runIn(nil, "--config", groupFile(t, t.TempDir(), "", ""), "--check-config")
	if code != cli.ExitOK || stdout != "network cl: settings are good: 0 bootnodes, 0 bans, 0 netrestrict prefixes\n"+
		"network el: settings are good: 0 bootnodes, 0 bans, 0 netrestrict prefixes\n" {
		t.Errorf("code %d, %s%s", code, stdout, stderr)
	}
	code, _, stderr = runIn(nil, "--config", groupFile(t, t.TempDir(), "", `xdp = ["nosuch0"]`), "--check-config")
	if code != cli.ExitUsage || !strings.Contains(stderr, "network el: ") || !strings.Contains(stderr, "there is no interface nosuch0") {
		t.Errorf("code %d, %s", code, stderr)
	}
}

// TestGroupLogJSON: the lines of several networks have each attribute once, and digests are text.
func TestGroupLogJSON(t *testing.T) {
	file := groupFile(t, t.TempDir(), "", "")
	t.Setenv("DISCV5_LOG_JSON", "true")
	p, _ := startGroup(t, file, 2)
	eventually(t, "start", func() bool { return strings.Contains(p.Log.String(), `"msg":"serving metrics"`) })
	chains := 0
	for line := range strings.Lines(p.Log.String()) {
		if strings.Count(line, `"network":`) > 1 {
			t.Errorf("two networks: %s", line)
		}
		var v struct{ Msg, Network, Chain, Digest string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if strings.Contains(line, `"addr":{`) || strings.Contains(line, `"reach":2`) {
			t.Errorf("not text: %s", line)
		}
		if v.Msg == "network" {
			chains++
			if v.Chain != "hoodi" || v.Network == v.Chain || !strings.HasPrefix(v.Digest, "0x") {
				t.Errorf("chain of a network: %s", line)
			}
		}
	}
	if chains != 2 {
		t.Errorf("%d lines about a chain", chains)
	}
	p.End(t, syscall.SIGTERM)
}

// TestGroupWarnings: with several networks, warnings about the process are logged once, and those
// about a network name it. A setting that a network makes useful causes no warning of the process.
func TestGroupWarnings(t *testing.T) {
	file := groupFile(t, t.TempDir(), "topics = true", "topics-capacity = 50")
	t.Setenv("DISCV5_FOO", "1")
	t.Setenv("DISCV5_TOPICS_WAIT_SCALE", "0.5")
	want := map[string]int{"DISCV5_FOO is not a setting": 1, "DISCV5_TOPICS_WAIT_SCALE has no effect": 1, "topics-capacity has no effect": 1}
	look := func(t *testing.T, text string) {
		for w, count := range want {
			lines := 0
			for line := range strings.Lines(text) {
				if strings.Contains(line, w) {
					lines++
					if strings.Contains(line, "network=el") == (w == "DISCV5_FOO is not a setting") {
						t.Errorf("network of %s", line)
					}
				}
			}
			if lines != count {
				t.Errorf("%d lines with %q, want %d, in:\n%s", lines, w, count, text)
			}
		}
	}
	t.Run("check", func(t *testing.T) {
		out, err := command("--config", file, "--check-config").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		look(t, string(out))
	})
	t.Run("start", func(t *testing.T) {
		p, _ := startGroup(t, file, 2)
		eventually(t, "start", func() bool { return strings.Contains(p.Log.String(), `serving metrics`) })
		look(t, p.Log.String())
		p.End(t, syscall.SIGTERM)
	})
}
