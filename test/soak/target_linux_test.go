package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/load"
	"github.com/fastdisc/discv5/internal/proctest"
)

// The bounds of the node that is flooded. They are small, so that a flood reaches them.
const (
	targetSessions   = 1536
	targetChallenges = 16384
	targetTalks      = 64
	slowProtocol     = "slow"
	slowAnswer       = 250 * time.Millisecond
)

// childEnv makes the test binary be the node that is flooded, in a process whose memory can be
// measured. Its value is the address.
const childEnv = "DISCV5_SOAK_CHILD"

func TestMain(m *testing.M) {
	if addr := os.Getenv(childEnv); addr != "" {
		if err := child(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// state holds the child's own figures.
type state struct {
	discv5.Stats
	Goroutines int
	Heap       uint64 // in use, in bytes
	RSS        float64
}

// child runs a node, and prints its state for each line that comes in, until there are no more.
func child(addr string) error {
	node, err := discv5.New(discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort(addr)},
		MaxSessions: targetSessions, MaxChallenges: targetChallenges, TalkConcurrency: targetTalks,
	})
	if err != nil {
		return err
	}
	defer node.Close()
	node.HandleTalk(slowProtocol, func(ctx context.Context, r discv5.TalkRequest) []byte {
		select {
		case <-time.After(slowAnswer):
		case <-ctx.Done():
		}
		return r.Payload
	})
	if err := node.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println(node.LocalRecord())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s := state{Stats: node.Stats(), Goroutines: runtime.NumGoroutine(), Heap: m.HeapInuse}
		if s.RSS, err = memory(os.Getpid()); err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
			return err
		}
	}
	return nil
}

// target is the process of a child.
type target struct {
	*proctest.Process
	to   load.Target
	ask  *os.File // a line here makes the child print its state
	said chan state
}

// newTarget starts a node at a free port of the address.
func newTarget(t *testing.T, addr netip.Addr) *target {
	t.Helper()
	in, ask, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+netip.AddrPortFrom(addr, 0).String())
	cmd.Stdin = in
	x := &target{ask: ask, said: make(chan state)}
	x.Process = start(t, cmd, func(r *bufio.Reader) {
		defer close(x.said)
		for d := json.NewDecoder(r); ; {
			var s state
			if d.Decode(&s) != nil {
				return
			}
			x.said <- s
		}
	})
	in.Close()
	t.Cleanup(func() { ask.Close() })
	if x.to, err = load.RecordTarget(x.Record(t), addr.Is6()); err != nil {
		t.Fatal(err)
	}
	return x
}

// state asks the node.
func (x *target) state() (s state, err error) {
	if _, err := fmt.Fprintln(x.ask); err != nil {
		return s, err
	}
	select {
	case s, ok := <-x.said:
		if !ok {
			return s, fmt.Errorf("the node has ended")
		}
		return s, nil
	case <-time.After(patience):
		return s, fmt.Errorf("the node does not say how it is")
	}
}
