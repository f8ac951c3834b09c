package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/table"
)

// publicOnly fails the test when n sends to an address that is not public.
func (nw *network) publicOnly(n *node) {
	nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, _ []byte) {
		if c := table.Class(to.Addr()); from == n.addr && c != table.Global {
			nw.t.Errorf("a datagram to %s", to)
		}
	})
}

// renewed gives the stranger a newer record.
func (s *stranger) renewed(change func(*enr.Builder)) {
	b := s.Record.Edit().SetSeq(s.Record.Seq() + 1)
	change(b)
	rec, err := b.Sign(s.Key)
	if err != nil {
		s.nw.t.Fatal(err)
	}
	s.Record = rec
}

// pongs answers all PINGs that have arrived, and returns how many there were.
func (s *stranger) pongs(n *node) (k int) {
	for len(s.got) > 0 {
		p, _ := s.take()
		if p.Flag != codec.FlagMessage {
			continue
		}
		m, err := s.Keys.Open(&p.Nonce, p.Message, p.AD)
		if err != nil {
			continue
		}
		var ping codec.Ping
		if t, body, err := codec.SplitMessage(m); err != nil || t != codec.TypePing || ping.Decode(body) != nil {
			continue
		}
		pong := codec.Pong{RequestID: ping.RequestID, RecordSeq: s.Record.Seq(), Recipient: n.addr}
		s.nw.inject(s.Addr, n, s.message(s.Record.ID(), n, s.Keys, pong.Append(nil)))
		k++
	}
	return k
}

// S20: a public peer whose own record names an address of the other family besides that it cannot
// know is used at its public address alone: that is stored, checked and relayed, and nobody is
// contacted at the other one.
func TestS20OwnRecordWithPrivateAddress(t *testing.T) {
	for _, private := range []string{"fd00::1", "fe80::1", "::1", "ff02::1"} {
		t.Run(private, func(t *testing.T) {
			nw := newNetwork(t)
			a, s := nw.add("198.51.99.1:9000", nil), nw.stranger("9.9.9.8:9000", 8).listen()
			nw.publicOnly(a)
			s.renewed(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr(private)).SetUDP6(53) })
			s.connect(a)
			n, st, ok := a.e.table.Get(s.Record.ID())
			if !ok || n.Addr != s.Addr || st.Stated != table.IPv4.Set() {
				t.Errorf("in the table: %v, at %v, states families %b; want it at %v alone", ok, n.Addr, st.Stated, s.Addr)
			}
			checked := 0
			for end := nw.now + time.Minute; nw.now < end; {
				nw.run(100 * time.Millisecond)
				checked += s.pongs(a)
			}
			if checked == 0 {
				t.Error("never checked: this tests nothing")
			}
			relayed := a.e.table.Relay(enr.LogDistance(a.e.ID(), s.Record.ID()))
			if relayed.Len() != 1 || !relayed.MayRelay(0, table.Global, table.IPv4) || !relayed.MayRelay(0, table.Global, table.IPv6) {
				t.Error("not relayed for its public address")
			}
		})
	}
}

// S20: a public peer that is in the table and then shows a record of a private address in place of
// its public one leaves it. With one besides, it stays at the public one. Nobody is looked for at a
// private address when hardly anybody is left.
func TestS20MoveToPrivateAddress(t *testing.T) {
	for _, c := range []struct {
		name   string
		left   int // in the table
		change func(*enr.Builder)
	}{
		{"instead", 0, func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("192.168.1.1")).SetUDP(53) }},
		{"besides", 1, func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(53) }},
		{"elsewhere and besides", 0, func(b *enr.Builder) {
			b.SetIP(netip.MustParseAddr("8.9.9.9")).SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(53)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a, s := nw.add("198.51.99.1:9000", nil), nw.stranger("9.9.9.8:9000", 8).listen()
			nw.publicOnly(a)
			if s.connect(a); a.e.table.Len() != 1 {
				t.Fatal("not in the table")
			}
			s.renewed(c.change)
			before := a.e.Counters()[OutRandom] + a.e.Counters()[OutPing] + a.e.Counters()[OutFindNode]
			if s.connect(a); a.e.table.Len() != c.left {
				t.Errorf("%d in the table, want %d", a.e.table.Len(), c.left)
			}
			nw.run(time.Minute)
			if n := a.e.Counters(); n[OutRandom]+n[OutPing]+n[OutFindNode] == before && c.name != "instead" {
				t.Error("nobody was looked for: this tests nothing")
			}
		})
	}
}
