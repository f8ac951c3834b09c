package main

import (
	"os"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

// dns publish replaces a zone file only by a newer version of the same list, or with --force.
func TestPublishZoneFile(t *testing.T) {
	t.Parallel()
	list := recordList(t, 1)
	publish := func(path, key, seq string, more ...string) result {
		return try(t, append([]string{"dns", "publish", list, "--key", key, "--domain", publishDomain, "--seq", seq, "--zone-file", path}, more...)...)
	}
	for _, c := range []struct {
		name, key, seq string
		more           []string
		code           int
		says           string
	}{
		{"newer", publishKey, "6", nil, cli.ExitOK, "wrote sequence number 6, 1 node, 3 TXT records to "},
		{"equal", publishKey, "5", nil, cli.ExitUsage, "--seq 5: not higher than that of the published list, 5 in "},
		{"older", publishKey, "4", nil, cli.ExitUsage, "--force replaces it"},
		{"older by force", publishKey, "4", []string{"--force"}, cli.ExitOK, "wrote sequence number 4"},
		{"of another key", otherKey, "6", nil, cli.ExitUsage, "does not hold this list; --force replaces it"},
		{"of another key by force", otherKey, "6", []string{"--force"}, cli.ExitOK, "wrote"},
		{"dry run", publishKey, "6", []string{"--dry-run"}, cli.ExitOK, "would write sequence number 6"},
		{"older in a dry run", publishKey, "4", []string{"--dry-run"}, cli.ExitUsage, "--seq 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := file(t, "zone", "")
			if r := publish(path, publishKey, "5", "--ns", "ns.example.org"); r.code != cli.ExitOK {
				t.Fatal(r.err)
			}
			before, _ := os.ReadFile(path)
			r := publish(path, c.key, c.seq, c.more...)
			if r.code != c.code || !strings.Contains(r.out+r.err, c.says) {
				t.Errorf("exit code %d, %s%s; want %d and %q", r.code, r.out, r.err, c.code, c.says)
			}
			after, _ := os.ReadFile(path)
			if written := c.code == cli.ExitOK && c.name != "dry run"; (string(before) != string(after)) != written {
				t.Errorf("the file has changed: %v, want %v", !written, written)
			}
		})
	}
	t.Run("of something else", func(t *testing.T) {
		path := file(t, "notes", "buy milk\n")
		r := publish(path, publishKey, "1")
		text, _ := os.ReadFile(path)
		if r.code != cli.ExitUsage || !strings.Contains(r.err, "does not hold this list") || string(text) != "buy milk\n" {
			t.Errorf("exit code %d, %s; the file has %q", r.code, r.err, text)
		}
	})
	t.Run("missing", func(t *testing.T) {
		if r := publish(t.TempDir()+"/zone", publishKey, "1"); r.code != cli.ExitOK {
			t.Errorf("exit code %d, %s", r.code, r.err)
		}
	})
}
