package manypeers

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestXDPReturn: frames cross a veth pair, XDP sends each back, and only answers of the expected
// size count.
func TestXDPReturn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("probed for root: no network namespaces")
	}
	lab, err := Open(0)
	if err != nil {
		t.Skipf("probed for network namespaces and BPF maps: %v", err)
	}
	defer lab.Close()
	k, err := lab.Link()
	if err != nil {
		t.Skipf("probed for veth: %v", err)
	}
	stop, err := k.ServeInKernel()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("probed for the right to use XDP: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	peers, err := NewPeers(100)
	if err != nil {
		t.Fatal(err)
	}
	const size = 99
	for _, c := range []struct {
		answers []int
		limit   time.Duration
		ok      bool
	}{{[]int{size}, 5 * time.Second, true}, {[]int{size + 1}, 300 * time.Millisecond, false}, {[]int{size - 1}, 300 * time.Millisecond, false}} {
		l, err := k.Load(peers, Traffic{Size: size, Answers: c.answers}.Blank())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Measure(Plan{For: c.limit, Window: 512, Burst: 64})
		switch {
		case !c.ok && !errors.Is(err, ErrAnswer):
			t.Errorf("answers of %d bytes: %v and %+v, want %v", c.answers, err, s, ErrAnswer)
		case c.ok && (err != nil || s.Exchanges > s.Sent || s.Exchanges < s.Sent/2 || s.Receive <= 0 || s.Server != 0):
			t.Errorf("%v, %+v", err, s)
		}
	}
	if _, err := k.Load(peers, Traffic{Size: slotSize, Answers: []int{size}}.Blank()); err == nil {
		t.Error("requests that no slot holds")
	}
}

// TestPeers: each peer has its own address and node ID.
func TestPeers(t *testing.T) {
	peers, err := NewPeers(600)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[any]bool)
	for _, p := range peers {
		seen[p.addr], seen[p.id] = true, true
	}
	if len(seen) != 2*len(peers) {
		t.Errorf("%d different addresses and IDs of %d peers", len(seen), len(peers))
	}
	for _, n := range []int{0, -1, MaxPeers + 1} {
		if _, err := NewPeers(n); err == nil {
			t.Errorf("%d peers without an error", n)
		}
	}
}
