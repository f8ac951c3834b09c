package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/virtual"
)

// A run in which an invariant does not hold fails, says what did not hold, and how to have it
// happen again. Here every node has a record that is older than the one it was started with.
func TestViolated(t *testing.T) {
	args := append(slices.Clone(small), "--duration=1m", "--seed=7")
	o, err := parse(args)
	if err != nil {
		t.Fatal(err)
	}
	o.swarm.Config = func(c *discv5.Config) {
		o.node(c)
		for i, conn := range c.Conns {
			c.Conns[i] = outdated{conn.(virtual.Conn)}
		}
	}
	var out bytes.Buffer
	err = simulate(context.Background(), o, args, &out)
	rerun := "to run it again: sim " + strings.Join(args, " ")
	if err == nil || !strings.Contains(err.Error(), "seed 7: ") || !strings.Contains(err.Error(), rerun) {
		t.Errorf("error %v", err)
	}
	if s := out.String(); !strings.Contains(s, "violated: ") || !strings.Contains(s, "sequence: record 1 after ") || strings.Contains(s, "all invariants held") {
		t.Errorf("output:\n%s", s)
	}
}

// outdated is a Conn whose machine gives its node an old record.
type outdated struct{ virtual.Conn }

func (c outdated) Machine() virtual.Machine { return outdatedMachine{c.Conn.Machine()} }

type outdatedMachine struct{ virtual.Machine }

func (m outdatedMachine) Configure(c *engine.Config) {
	m.Machine.Configure(c)
	var err error
	if c.Record, err = enr.NewBuilder().SetSeq(1).Sign(c.Key); err != nil {
		panic(err)
	}
}

// Profiles are files that go tool pprof can read: they are compressed.
func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	cpu, heap := dir+"/cpu", dir+"/heap"
	simulated(t, "--duration=1m", "--cpu-profile="+cpu, "--heap-profile="+heap)
	for _, name := range []string{cpu, heap} {
		if b, err := os.ReadFile(name); err != nil || !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	var out, failed bytes.Buffer
	if code := run(append(slices.Clone(small), "--cpu-profile=/nowhere/at/all"), &out, &failed); code != cli.ExitFailed || !strings.Contains(failed.String(), "profile: ") {
		t.Errorf("code %d: %s", code, failed.String())
	}
}
