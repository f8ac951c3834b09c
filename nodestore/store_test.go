package nodestore_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/nodestore"
)

func open(t *testing.T, path string) *nodestore.Store {
	t.Helper()
	s, err := nodestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func key(t *testing.T, n byte) *enr.PrivateKey {
	t.Helper()
	k, err := enr.ParsePrivateKey(append(make([]byte, 31), n))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func record(t *testing.T, n byte, seq uint64) *enr.Record {
	t.Helper()
	r, err := enr.NewBuilder().SetSeq(seq).SetIP(netip.AddrFrom4([4]byte{127, 0, 0, n})).SetUDP(9).Sign(key(t, n))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Saved data is there when the file is reopened, for each identity its own.
func TestStoreKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes.db")
	s := open(t, path)
	mine, other := record(t, 1, 7), record(t, 2, 3)
	states := []discv5.AddressState{{Family: discv5.IPv4, Endpoint: netip.MustParseAddrPort("192.0.2.1:9000"), Proven: true, Since: time.Unix(1, 0).UTC()}}
	for _, err := range []error{
		s.SaveLocalRecord(mine), s.SaveAddresses(mine.ID(), states),
		s.SaveNodes([]discv5.SeenNode{{Record: other, Seen: time.Now()}, {Record: record(t, 3, 1), Seen: time.Now()}}, nil),
		s.SaveNodes(nil, []enr.ID{record(t, 3, 1).ID()}), s.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, path)
	if r, err := s.LocalRecord(mine.ID()); err != nil || r == nil || !r.Equal(mine.View()) {
		t.Errorf("record %v, %v", r, err)
	}
	if r, err := s.LocalRecord(other.ID()); err != nil || r != nil {
		t.Errorf("record of another identity %v, %v", r, err)
	}
	if got, err := s.Addresses(mine.ID()); err != nil || len(got) != 1 || got[0].Endpoint != states[0].Endpoint || !got[0].Proven || !got[0].Since.Equal(states[0].Since) {
		t.Errorf("addresses %v, %v", got, err)
	}
	if got, err := s.Addresses(other.ID()); err != nil || got != nil {
		t.Errorf("addresses of another identity %v, %v", got, err)
	}
	list, err := s.Nodes(10)
	if err != nil || len(list) != 1 || !list[0].Equal(other.View()) {
		t.Errorf("nodes %v, %v", list, err)
	}
	if list, err := s.Nodes(0); err != nil || len(list) != 0 {
		t.Errorf("no nodes are wanted: %v, %v", list, err)
	}
}

// A file that cannot be used is refused by an error that names it, and can be moved aside.
func TestStoreErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "nodes.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := nodestore.Open(path); !errors.Is(err, nodestore.ErrDamaged) {
		t.Errorf("a damaged file: %v", err)
	}
	if to, err := nodestore.MoveAside(path); err != nil || filepath.Dir(to) != dir {
		t.Errorf("moved to %q, %v", to, err)
	}
	s := open(t, path)
	if _, err := nodestore.Open(path); !errors.Is(err, nodestore.ErrLocked) {
		t.Errorf("a second process: %v", err)
	}
	if _, err := nodestore.Open(dir); !errors.Is(err, nodestore.ErrNoFile) {
		t.Errorf("a directory: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveLocalRecord(record(t, 1, 1)); !errors.Is(err, nodestore.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := s.Nodes(1); !errors.Is(err, nodestore.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A node that starts on the same file once more has its record, and finds the others without
// bootnodes.
func TestNodeOnFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes.db")
	loopback := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	start := func(cfg discv5.Config) *discv5.Node {
		cfg.ListenAddrs, cfg.Sockets = loopback, 1
		cfg.RequestTimeout, cfg.Resend = 5*time.Second, 3 // the machine may pause for long
		n, err := discv5.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		if err := n.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		return n
	}
	live := func(n *discv5.Node) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); n.Stats().Live == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("nobody answers: %v", n.Diagnose().Reasons)
			}
		}
	}
	peer := start(discv5.Config{})
	s := open(t, path)
	n := start(discv5.Config{PrivateKey: key(t, 9), Store: s, Bootnodes: discv5.Contacts(peer.LocalRecord())})
	live(n)
	if err := n.UpdateRecord(func(b *enr.Builder) { b.SetUint("life", 1) }); err != nil {
		t.Fatal(err)
	}
	seq := n.LocalRecord().Seq()
	if err := errors.Join(n.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	n = start(discv5.Config{PrivateKey: key(t, 9), Store: s})
	if got := n.LocalRecord(); got.Seq() < seq {
		t.Errorf("sequence number %d after %d", got.Seq(), seq)
	} else if v, ok := got.GetUint("life"); !ok || v != 1 {
		t.Errorf("entry %d, %v", v, ok)
	}
	live(n)
	if !slices.ContainsFunc(n.Nodes(), func(k discv5.KnownNode) bool { return k.Record.ID() == peer.ID() }) {
		t.Error("the peer of its last life is not in the table")
	}
}
