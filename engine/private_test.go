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
	nw.tap = chain(nw.tap, func(from, to netip.AddrPort, _ []byte) {
		if c := table.Class(to.Addr()); from == n.addr && c != table.Global {
			nw.t.Errorf("a datagram to %s", to)
		}
	})
}

// renewed gives the stranger a newer record.
func (s *stranger) renewed(change func(*enr.Builder)) {
	b := s.rec.Edit().SetSeq(s.rec.Seq() + 1)
	change(b)
	rec, err := b.Sign(s.key)
	if err != nil {
		s.nw.t.Fatal(err)
	}
	s.rec = rec
}

// pongs answers all PINGs that have arrived, and returns how many there were.
func (s *stranger) pongs(n *node) (k int) {
	for len(s.got) > 0 {
		p, _ := s.take()
		if p.Flag != codec.FlagMessage {
			continue
		}
		m, err := s.keys.Open(&p.Nonce, p.Message, p.AD)
		if err != nil {
			continue
		}
		var ping codec.Ping
		if t, body, err := codec.SplitMessage(m); err != nil || t != codec.TypePing || ping.Decode(body) != nil {
			continue
		}
		pong := codec.Pong{RequestID: ping.RequestID, RecordSeq: s.rec.Seq(), Recipient: n.addr}
		s.nw.inject(s.addr, n, s.message(s.rec.ID(), n, s.keys, pong.Append(nil)))
		k++
	}
	return k
}

// S20: a public peer whose own record names a private address of the other family besides is not stored, and nobody is contacted there.
// One that is in the table for another reason is checked at its public address alone.
func TestS20OwnRecordWithPrivateAddress(t *testing.T) {
	for _, private := range []string{"fd00::1", "fe80::1", "::1", "ff02::1"} {
		t.Run(private, func(t *testing.T) {
			nw := newNetwork(t)
			a, s := nw.add("198.51.99.1:9000", nil), nw.stranger("9.9.9.8:9000", 8).listen()
			nw.publicOnly(a)
			s.renewed(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr(private)).SetUDP6(53) })
			s.connect(a)
			if _, _, ok := a.e.table.Get(s.rec.ID()); ok {
				t.Error("stored")
			}
			a.e.table.Add(nw.now, table.FromRecord(s.rec, s.addr, false))
			checked := 0
			for end := nw.now + time.Minute; nw.now < end; {
				nw.run(100 * time.Millisecond)
				checked += s.pongs(a)
			}
			if checked == 0 {
				t.Error("never checked: this tests nothing")
			}
		})
	}
}

// S20: a public peer that is in the table and then shows a record of private addresses leaves it, and is not looked for there when hardly
// anybody is left.
func TestS20MoveToPrivateAddress(t *testing.T) {
	for name, change := range map[string]func(*enr.Builder){
		"instead": func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("192.168.1.1")).SetUDP(53) },
		"besides": func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(53) },
		"elsewhere and besides": func(b *enr.Builder) {
			b.SetIP(netip.MustParseAddr("8.9.9.9")).SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(53)
		},
	} {
		t.Run(name, func(t *testing.T) {
			nw := newNetwork(t)
			a, s := nw.add("198.51.99.1:9000", nil), nw.stranger("9.9.9.8:9000", 8).listen()
			nw.publicOnly(a)
			if s.connect(a); a.e.table.Len() != 1 {
				t.Fatal("not in the table")
			}
			s.renewed(change)
			if s.connect(a); a.e.table.Len() != 0 {
				t.Error("still in the table")
			}
			before := a.e.Counters()[OutRandom] + a.e.Counters()[OutPing]
			nw.run(time.Minute)
			if c := a.e.Counters(); c[OutRandom]+c[OutPing] == before {
				t.Error("nobody was looked for: this tests nothing")
			}
		})
	}
}
