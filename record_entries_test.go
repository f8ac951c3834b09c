package discv5

import (
	"errors"
	"math"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// The record has the entries of the Config from the start, beside the endpoints that follow from
// the other fields. It is a new one only if something has changed since the node's last life.
func TestConfigEntries(t *testing.T) {
	key, err := enr.ParsePrivateKey(append(make([]byte, 31), 9))
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort("192.0.2.1:9000")
	make := func(t *testing.T, entries func(*enr.Builder), previous *enr.Record, advertise ...netip.AddrPort) (*enr.Record, error) {
		t.Helper()
		if advertise == nil {
			advertise = []netip.AddrPort{at}
		}
		n, err := New(Config{
			PrivateKey: key, Entries: entries, Previous: previous, Advertise: advertise,
			ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
		})
		if err != nil {
			return nil, err
		}
		defer n.Close()
		return n.LocalRecord(), nil
	}
	eth2 := enr.Eth2{ForkDigest: [4]byte{1, 2, 3, 4}}
	set := func(b *enr.Builder) { b.SetEth2(eth2).SetUint("cgc", 8).SetTCP(9001) }
	first, err := make(t, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := first.Eth2(); !ok || e != eth2 {
		t.Errorf("eth2 %v, %v", e, ok)
	}
	if a, ok := first.UDPEndpoint4(); !ok || a != at {
		t.Errorf("endpoint %s", a)
	}
	for _, c := range []struct {
		name      string
		entries   func(*enr.Builder)
		advertise netip.AddrPort
		same      bool
		cgc       uint64
	}{
		{"nothing new", set, at, true, 8},
		{"no Entries", nil, at, true, 8},
		{"Entries that set nothing", func(*enr.Builder) {}, at, true, 8},
		{"another value", func(b *enr.Builder) { set(b); b.SetUint("cgc", 128) }, at, false, 128},
		{"an entry is gone", func(b *enr.Builder) { b.Delete("cgc") }, at, false, 0},
		{"another endpoint", set, netip.MustParseAddrPort("192.0.2.2:9000"), false, 8},
		{"keys that are not theirs", func(b *enr.Builder) {
			b.SetIP(netip.MustParseAddr("203.0.113.1")).SetUDP(1).SetUDP6(2).SetIP(netip.MustParseAddr("2001:db8::1")).SetSeq(1)
		}, at, true, 8},
		{"all keys deleted", func(b *enr.Builder) { b.Delete("ip").Delete("udp").SetSeq(math.MaxUint64) }, at, true, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := make(t, c.entries, first, c.advertise)
			if err != nil {
				t.Fatal(err)
			}
			if c.same != (r.Seq() == first.Seq()) || c.same != r.Equal(first.View()) || !c.same && r.Seq() != first.Seq()+1 {
				t.Errorf("sequence number %d after %d", r.Seq(), first.Seq())
			}
			if n, ok := r.CustodyGroupCount(); n != c.cgc || ok != (c.cgc != 0) {
				t.Errorf("cgc %d, %v", n, ok)
			}
			if a, ok := r.UDPEndpoint4(); !ok || a != c.advertise {
				t.Errorf("endpoint %s", a)
			}
			if a, ok := r.UDPEndpoint6(); ok {
				t.Errorf("endpoint %s", a)
			}
		})
	}
	if _, err := make(t, func(b *enr.Builder) { b.SetBytes("big", bytesOf(300)) }, nil); !errors.Is(err, ErrConfig) || !errors.Is(err, enr.ErrTooLarge) {
		t.Errorf("a record that is too large: %v", err)
	}
	if _, err := make(t, func(b *enr.Builder) { b.SetSyncnets(255) }, nil); !errors.Is(err, ErrConfig) || !errors.Is(err, enr.ErrValueBits) {
		t.Errorf("an entry with a bad value: %v", err)
	}
	fresh, err := make(t, func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("203.0.113.1")).SetUDP(1).SetSeq(1) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := fresh.UDPEndpoint4(); a != at || fresh.Seq() == 1 {
		t.Errorf("Entries set the endpoint %s and the sequence number %d", a, fresh.Seq())
	}
}

func bytesOf(n int) []byte { return make([]byte, n) }
