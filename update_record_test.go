package discv5

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
)

// Values that the record has make no new record and are not saved; a restart without a change makes
// none either, whatever else the record holds.
func TestRecordWithoutChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		at := netip.MustParseAddrPort("9.9.9.9:9000")
		key := newKey(t)
		saves := 0
		start := func(previous *enr.Record) *Node {
			n, err := New(Config{PrivateKey: key, Conns: []fastpath.Conn{w.Conn(at)}, MaxSessions: 256, MaxChallenges: 256, Previous: previous,
				SaveRecord: func(*enr.Record) error { saves++; return nil }})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		entries := func(b *enr.Builder) { b.SetEth2(enr.Eth2{}).SetAttnets(0xff).SetString("client", "x").SetTCP(30303) }
		n := start(nil)
		if err := n.UpdateRecord(entries); err != nil {
			t.Fatal(err)
		}
		seq := n.LocalRecord().Seq()
		if saves != 1 {
			t.Fatalf("%d saves of a new record", saves)
		}
		for range 100 {
			if err := n.UpdateRecord(entries); err != nil {
				t.Fatal(err)
			}
			if err := n.SetEndpoint(at); err != nil {
				t.Fatal(err)
			}
		}
		if got := n.LocalRecord().Seq(); got != seq || saves != 1 {
			t.Errorf("equal values: sequence number %d, want %d; %d saves, want 1", got, seq, saves)
		}
		previous := n.LocalRecord()
		n.Close()
		for i := range 3 {
			time.Sleep(time.Second)
			n := start(previous)
			if err := n.UpdateRecord(entries); err != nil {
				t.Fatal(err)
			}
			if got := n.LocalRecord(); got.Seq() != seq || saves != 1 || got.String() != previous.String() {
				t.Errorf("restart %d: sequence number %d, want %d; %d saves, want 1", i+1, got.Seq(), seq, saves)
			}
			n.Close()
		}
		n = start(previous)
		defer n.Close()
		if err := n.UpdateRecord(func(b *enr.Builder) { b.SetAttnets(1) }); err != nil {
			t.Fatal(err)
		}
		if got := n.LocalRecord().Seq(); got != seq+1 || saves != 2 {
			t.Errorf("another value: sequence number %d, want %d; %d saves, want 2", got, seq+1, saves)
		}
	})
}

// A change cannot set the sequence number back: peers would keep the record that they have.
func TestUpdateRecordKeepsSeqRising(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := onWire(t, newWire(), 1, nil)
		defer n.Close()
		before := n.LocalRecord()
		for _, back := range []uint64{0, 1} {
			err := n.UpdateRecord(func(b *enr.Builder) { b.SetSeq(before.Seq() - back).SetTCP(77) })
			if !errors.Is(err, engine.ErrRecordOld) || n.LocalRecord() != before {
				t.Errorf("%d less: %v, record %d after %d", back, err, n.LocalRecord().Seq(), before.Seq())
			}
		}
		if err := n.UpdateRecord(func(b *enr.Builder) { b.SetSeq(before.Seq() + 9).SetTCP(77) }); err != nil || n.LocalRecord().Seq() != before.Seq()+9 {
			t.Errorf("%v, record %d", err, n.LocalRecord().Seq())
		}
	})
}

func newKey(t *testing.T) *enr.PrivateKey {
	t.Helper()
	k, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
