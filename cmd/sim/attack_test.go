package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/cli"
)

// A table of attacks of a tiny network, which settles in little time, as text and as JSON.
func TestAttack(t *testing.T) {
	saved := attackPrefixes
	defer func() { attackPrefixes, attackSettle = saved, 0 }()
	attackPrefixes, attackSettle = []int{4}, time.Minute
	for _, args := range [][]string{{"--attack", "--attack-nodes", "10"}, {"--attack", "--attack-nodes", "10", "--json", "-"}} {
		var out, errs bytes.Buffer
		if code := run(args, &out, &errs); code != cli.ExitOK {
			t.Fatalf("%v: exit code %d, %s", args, code, &errs)
		}
		var list []cell
		if len(args) > 3 {
			if err := json.Unmarshal(out.Bytes(), &list); err != nil || len(list) != 8 || list[7].Order != "after" || list[7].Prefixes != 4 {
				t.Errorf("%v: %v, %s", args, err, &out)
			}
		} else if n := strings.Count(out.String(), "\n"); n != 2+8 || !strings.Contains(out.String(), "| after | 4 | go-ethereum |") {
			t.Errorf("%v: %d lines: %s", args, n, &out)
		}
	}
	var out, errs bytes.Buffer
	if code := run([]string{"--attack", "--attack-nodes", "0"}, &out, &errs); code != cli.ExitUsage {
		t.Errorf("no nodes: exit code %d", code)
	}
}
