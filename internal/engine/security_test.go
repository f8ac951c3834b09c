package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
)

// The tests of this file are named by the attack that they try; docs/THREATS.md lists them.

func TestS01UndecryptableMessageLeavesSession(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	evil := nw.scriptedPeer("203.0.113.1:1", 7)
	for range 20 {
		before := b.e.Counters()[PacketsOut]
		nw.inject(a.addr, b, evil.message(a.e.ID(), b, nil, nil))
		if n := b.e.Counters()[PacketsOut] - before; n > 1 {
			t.Fatalf("%d datagrams went out for one spoofed one", n)
		}
	}
	shaken := b.e.Counters()[HandshakesReceived]
	if r := a.ping(b); r.Err != nil {
		t.Fatalf("session does not work any more: %v", r.Err)
	}
	if r := b.ping(a); r.Err != nil {
		t.Fatalf("session does not work any more: %v", r.Err)
	}
	if b.e.Counters()[HandshakesReceived] != shaken {
		t.Error("there was a second handshake")
	}
}

func TestS02RecordOfAnotherNode(t *testing.T) {
	nw := newNetwork(t)
	b, victim := nw.add("10.0.0.2:9000", nil), nw.add("10.0.0.3:9000", nil)
	if r := victim.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	if _, _, ok := b.e.table.Get(victim.e.ID()); !ok {
		t.Fatal("victim is not in the table")
	}
	evil := nw.scriptedPeer("203.0.113.1:1", 7).listen()
	// The attacker claims the victim's ID and shows its own record, with a huge sequence number.
	own, err := evil.Record.Edit().SetSeq(1 << 60).Sign(evil.Key)
	if err != nil {
		t.Fatal(err)
	}
	evil.Record = own
	nw.inject(evil.Addr, b, evil.message(victim.e.ID(), b, nil, nil))
	// WHOAREYOU is masked for the victim's ID.
	id := [32]byte(victim.e.ID())
	var p codec.Packet
	if len(evil.got) != 1 || codec.NewDecoder(&id, codec.DefaultProtocol).Decode(evil.got[0], &p) != nil {
		t.Fatal("no WHOAREYOU")
	}
	h := evil.answer(p, b, ping(1))
	h.Source = victim.e.ID()
	nw.inject(evil.Addr, b, evil.encode(h, b))
	c := b.e.Counters()
	if c[DropHandshakeOwner] != 1 || b.e.Sessions().Stats().Sessions != 1 {
		t.Errorf("%d refused as record of another node, %d sessions", c[DropHandshakeOwner], b.e.Sessions().Stats().Sessions)
	}
	if _, _, ok := b.e.table.Get(victim.e.ID()); !ok {
		t.Error("victim is no longer in the table")
	}
}

func TestS03BadHandshakesLeaveChallenge(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wiretest.Handshake)
		want   Counter
	}{
		{"no record", func(h *wiretest.Handshake) { h.Record = nil }, DropHandshakeRecord},
		{"garbage record", func(h *wiretest.Handshake) { h.Record = bytes.Repeat([]byte{0xc0}, 50) }, DropHandshakeRecord},
		{"garbage signature", func(h *wiretest.Handshake) { h.Signature[3] ^= 1 }, DropHandshakeProof},
		{"ephemeral key off the curve", func(h *wiretest.Handshake) { h.Ephemeral = [33]byte{2: 0xff} }, DropHandshakeKey},
		{"message of other keys", func(h *wiretest.Handshake) { h.Ephemeral[0] ^= 1 }, DropHandshakeOpen},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			b := nw.add("10.0.0.2:9000", nil)
			s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
			ch := s.challenge(b)
			good := s.answer(ch, b, ping(1))
			bad := s.answer(ch, b, ping(1))
			c.change(&bad)
			nw.inject(s.Addr, b, s.encode(bad, b))
			if n := b.e.Counters()[c.want]; n != 1 {
				t.Errorf("counter of the cause is %d", n)
			}
			truncated := s.encode(good, b)
			nw.inject(s.Addr, b, truncated[:len(truncated)-5])
			nw.inject(s.Addr, b, s.encode(good, b))
			s.Keys = good.Keys
			if m := s.reply(); len(m) == 0 || m[0] != byte(codec.TypePong) {
				t.Error("the honest handshake did not complete")
			}
		})
	}
}

func TestS04AttemptsOfOneChallengeAreBounded(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("10.0.0.2:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
	ch := s.challenge(b)
	bad := s.answer(ch, b, ping(1))
	bad.Signature[0] ^= 1
	for range 30 {
		nw.inject(s.Addr, b, s.encode(bad, b))
	}
	if n := b.e.Counters()[DropHandshakeProof]; n > 8 {
		t.Errorf("%d signatures were verified for one challenge", n)
	}
	// Its lifetime was not prolonged either.
	nw.now += 1100 * time.Millisecond
	nw.inject(s.Addr, b, s.encode(s.answer(ch, b, ping(1)), b))
	if n := b.e.Counters()[HandshakesReceived]; n != 0 {
		t.Error("an old challenge was still good")
	}
}

// A handshake without a challenge costs no arithmetic and not even a slot in the queue. One whose
// challenge ends while it waits there costs no arithmetic either.
func TestS05UnchallengedHandshakeCostsNoArithmetic(t *testing.T) {
	nw := newNetwork(t)
	math := &arithmetic{Curve: curve.Default()}
	b := nw.add("10.0.0.2:9000", func(c *Config) { c.Curve = math })
	other := nw.add("10.0.0.3:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
	h := s.answer(s.challenge(other), other, ping(1))
	before := b.e.Records().Stats()
	b.holdTasks = true
	for range 50 {
		nw.inject(s.Addr, b, s.encode(h, b))
	}
	if c := b.e.Counters(); c[DropNoChallenge] != 50 || b.e.Tasks() != 0 {
		t.Errorf("dropped %d of 50, %d tasks", c[DropNoChallenge], b.e.Tasks())
	}
	nw.inject(s.Addr, b, s.encode(s.answer(s.challenge(b), b, ping(1)), b))
	if b.e.Tasks() != 1 {
		t.Fatalf("%d tasks for a good handshake", b.e.Tasks())
	}
	nw.run(3 * time.Second)
	b.holdTasks = false
	b.runTasks()
	if c := b.e.Counters(); c[DropNoChallenge] != 51 || c[HandshakesReceived] != 0 {
		t.Errorf("dropped %d of 51, %d handshakes", c[DropNoChallenge], c[HandshakesReceived])
	}
	if math.operations() != 0 || b.e.Records().Stats() != before {
		t.Errorf("%d times arithmetic, records %+v, before %+v", math.operations(), b.e.Records().Stats(), before)
	}
	if s.connect(b); math.operations() == 0 {
		t.Error("a handshake that succeeds is not counted: this tests nothing")
	}
}

func TestS06NeverMoreOutThanIn(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("10.0.0.2:9000", func(c *Config) { c.Session.MaxChallenges = 640 })
	evil := nw.scriptedPeer("203.0.113.1:1", 7)
	var r [4]byte
	for i := range 20_000 {
		binary.BigEndian.PutUint32(r[:], uint32(i))
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, r[2], r[3]}), 1000)
		before := b.e.Counters()
		nw.inject(from, b, evil.message(enr.ID{byte(i), byte(i >> 8), 1}, b, nil, nil))
		after := b.e.Counters()
		if after[BytesOut]-before[BytesOut] > after[BytesIn]-before[BytesIn] {
			t.Fatal("more bytes went out than came in")
		}
	}
	if n := b.e.Sessions().Stats().Challenges; n > 640 {
		t.Errorf("%d challenges are held, the bound is 640", n)
	}
	if b.e.Counters()[DropChallengesFull] == 0 {
		t.Error("nothing was dropped")
	}
}

func TestS11NoTableEntryWithoutHandshake(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	// b's answers bring the record of a node that does not exist.
	absent := nw.scriptedPeer("10.0.0.77:9000", 99)
	b.e.table.Add(0, table.NewNode(absent.Record, absent.Addr, false))
	b.e.table.MarkLive(0, absent.Record.ID(), absent.Addr)
	d := enr.LogDistance(b.e.ID(), absent.Record.ID())
	r := a.call(Request{Type: codec.TypeFindNode, Peer: b.peer(), Distances: []uint{uint(d)}})
	if r.Err != nil || len(r.Records) != 1 {
		t.Fatalf("got %d records, %v", len(r.Records), r.Err)
	}
	nw.run(3 * time.Second)
	if _, _, ok := a.e.table.Get(absent.Record.ID()); ok {
		t.Error("a node that never answered is in the table")
	}
}

func TestS12Nodes(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9000", 7).listen()
	s.connect(a)
	peer := Peer{ID: s.Record.ID(), PublicKey: s.Key.PublicKey(), Addr: s.Addr, Record: s.Record}
	far := nw.scriptedPeer("10.0.0.50:1", 51).Record
	want := uint(enr.LogDistance(s.Record.ID(), far.ID()))

	ask := func() (codec.RequestID, *[]Result) {
		got := new([]Result)
		s.got = nil
		a.w.Begin(nw.now)
		a.w.Start(Request{Type: codec.TypeFindNode, Peer: peer, Distances: []uint{want}, Done: func(_ *Worker, r Result) { *got = append(*got, r) }})
		nw.deliver()
		var m codec.FindNode
		_, body, err := codec.SplitMessage(s.reply())
		if err != nil || m.Decode(body) != nil {
			t.Fatal("no FINDNODE")
		}
		return m.RequestID, got
	}
	send := func(id codec.RequestID, total uint64, records ...*enr.Record) {
		m := codec.Nodes{RequestID: id, Total: total}
		for _, r := range records {
			m.Records = append(m.Records, r.Bytes()...)
		}
		nw.inject(s.Addr, a, s.message(s.Record.ID(), a, s.Keys, m.Append(nil)))
	}

	t.Run("unsolicited", func(t *testing.T) {
		before := a.e.Counters()[DropUnsolicited]
		id, _ := codec.NewRequestID([]byte("whatever"))
		send(id, 1, far)
		if a.e.Counters()[DropUnsolicited] != before+1 {
			t.Error("not counted as unsolicited")
		}
	})
	t.Run("total 0", func(t *testing.T) {
		id, got := ask()
		send(id, 0, far)
		if len(*got) != 1 || (*got)[0].Err != nil || len((*got)[0].Records) != 1 {
			t.Errorf("ended with %+v", *got)
		}
	})
	t.Run("wrong distance", func(t *testing.T) {
		var wrong *enr.Record
		for i := uint64(60); wrong == nil; i++ {
			if r := nw.scriptedPeer("10.0.0.60:1", i).Record; uint(enr.LogDistance(s.Record.ID(), r.ID())) != want {
				wrong = r
			}
		}
		id, got := ask()
		send(id, 1, far, wrong, far)
		if len(*got) != 1 || len((*got)[0].Records) != 1 || (*got)[0].Records[0].ID() != far.ID() {
			t.Errorf("ended with %+v", *got)
		}
	})
	t.Run("S13 bad record among good ones", func(t *testing.T) {
		id, got := ask()
		b := bytes.Clone(far.Bytes())
		b[len(b)-1] ^= 1 // the port: the signature does not fit any more
		m := codec.Nodes{RequestID: id, Total: 1, Records: append(b, far.Bytes()...)}
		nw.inject(s.Addr, a, s.message(s.Record.ID(), a, s.Keys, m.Append(nil)))
		if len(*got) != 1 || len((*got)[0].Records) != 1 {
			t.Errorf("ended with %+v", *got)
		}
	})
	t.Run("drip feed", func(t *testing.T) {
		id, got := ask()
		start := nw.now
		for len(*got) == 0 {
			send(id, 1<<40, far)
			nw.run(200 * time.Millisecond)
			if nw.now-start > 3*time.Second {
				t.Fatal("the deadline has moved")
			}
		}
		if len(*got) != 1 || (*got)[0].Err != nil || len((*got)[0].Records) != 1 {
			t.Errorf("ended with %+v", *got)
		}
	})
}

func TestS14Replay(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("10.0.0.2:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
	packet := s.encode(s.answer(s.challenge(b), b, ping(1)), b)
	nw.inject(s.Addr, b, packet)
	for range 3 {
		nw.inject(s.Addr, b, packet)
	}
	if c := b.e.Counters(); c[HandshakesReceived] != 1 || c[DropNoChallenge] != 3 {
		t.Errorf("%d handshakes accepted, %d dropped", c[HandshakesReceived], c[DropNoChallenge])
	}
}

func TestS14MessageFromAnotherAddress(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("10.0.0.2:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
	s.connect(b)
	pongs := b.e.Counters()[OutPong]
	nw.inject(netip.MustParseAddrPort("10.0.0.10:9"), b, s.message(s.Record.ID(), b, s.Keys, ping(1)))
	if c := b.e.Counters(); c[OutPong] != pongs || c[WhoareyouSent] != 2 {
		t.Errorf("%d answers, %d WHOAREYOU", c[OutPong]-pongs, c[WhoareyouSent])
	}
}

// Both sides start together, on a network that loses and repeats datagrams: every request ends, and
// a session remains.
func TestS15CrossedHandshakes(t *testing.T) {
	for seed := range 40 {
		nw := newNetwork(t)
		a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
		if seed > 0 {
			nw.Drop = func(from, to netip.AddrPort, d []byte) bool {
				switch nw.rng.IntN(8 + seed%3) {
				case 0:
					return true
				case 1:
					if len(nw.Queue) < 50 {
						nw.Send(from, to, d)
					}
				case 2: // later
					if len(nw.Queue) > 0 {
						nw.Send(from, to, d)
						return true
					}
				}
				return false
			}
		}
		ended := 0
		const each = 5
		for range each {
			for _, p := range [][2]*node{{a, b}, {b, a}} {
				p[0].w.Begin(nw.now)
				p[0].w.Start(Request{Type: codec.TypePing, Peer: p[1].peer(), Done: func(_ *Worker, r Result) {
					ended++
					if seed == 0 && r.Err != nil {
						t.Errorf("without loss: %v", r.Err)
					}
				}})
			}
		}
		nw.run(5 * time.Second)
		if ended != 2*each {
			t.Fatalf("seed %d: %d of %d requests ended", seed, ended, 2*each)
		}
		nw.Drop = nil
		for i := range 3 {
			if r := a.ping(b); r.Err != nil {
				t.Fatalf("seed %d: ping %d: %v", seed, i, r.Err)
			}
			if r := b.ping(a); r.Err != nil {
				t.Fatalf("seed %d: ping %d back: %v", seed, i, r.Err)
			}
		}
		// The keys that lost are given up after a while. Both sides have kept the same ones.
		nw.run(40 * time.Second)
		before := a.e.Counters()[HandshakesSent] + b.e.Counters()[HandshakesSent]
		if r, s := a.ping(b), b.ping(a); r.Err != nil || s.Err != nil {
			t.Fatalf("seed %d: pings after a while: %v, %v", seed, r.Err, s.Err)
		}
		if n := a.e.Counters()[HandshakesSent] + b.e.Counters()[HandshakesSent] - before; n != 0 {
			t.Fatalf("seed %d: the sides had kept different keys: %d new handshakes", seed, n)
		}
		nw.run(3 * time.Second) // requests of the nodes themselves that were lost end too
		if len(a.e.calls.peers)+len(b.e.calls.peers) != 0 || a.e.Pending()+b.e.Pending() != 0 {
			t.Fatalf("seed %d: calls are left over", seed)
		}
	}
}

func TestS16OneLostAnswerFailsOneRequest(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(2 * time.Second)
	lost := false
	nw.Drop = func(_, to netip.AddrPort, _ []byte) bool {
		drop := to == a.addr && !lost
		lost = lost || drop
		return drop
	}
	var errs []error
	a.w.Begin(nw.now)
	for range 3 {
		a.w.Start(Request{Type: codec.TypePing, Peer: b.peer(), Done: func(_ *Worker, r Result) { errs = append(errs, r.Err) }})
	}
	nw.run(2 * time.Second)
	failed := 0
	for _, err := range errs {
		if err != nil {
			failed++
		}
	}
	if len(errs) != 3 || failed != 1 {
		t.Errorf("%d requests ended, %d failed; want 3 and 1", len(errs), failed)
	}
	if _, s, ok := a.e.table.Get(b.e.ID()); !ok || !s.Live {
		t.Error("the peer was demoted for one lost answer")
	}
	shaken := a.e.Counters()[HandshakesSent]
	if r := a.ping(b); r.Err != nil || a.e.Counters()[HandshakesSent] != shaken {
		t.Errorf("a second handshake after one lost response: %v", r.Err)
	}
	// The same for a request of the table's own.
	until := nw.now + 900*time.Millisecond
	nw.Drop = func(_, to netip.AddrPort, _ []byte) bool { return to == a.addr && nw.now < until }
	n, _, _ := a.e.table.Get(b.e.ID())
	a.w.Begin(nw.now)
	a.w.check(n)
	timeouts := a.e.Counters()[RequestsTimedOut]
	nw.run(2 * time.Second)
	if a.e.Counters()[RequestsTimedOut] == timeouts {
		t.Fatal("no answer was lost")
	}
	if _, s, ok := a.e.table.Get(b.e.ID()); !ok || !s.Live {
		t.Error("the peer was demoted for one answer to a check that was lost")
	}
}

func TestS20PrivateAddressFromPublicPeer(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("198.51.99.1:9000", nil), nw.add("198.51.98.2:9000", nil)
	for i, addr := range []string{"192.168.1.5:30303", "127.0.0.1:30303", "9.9.9.9:30303"} {
		s := nw.scriptedPeer(addr, uint64(200+i))
		b.e.table.Add(0, table.NewNode(s.Record, s.Addr, false))
		b.e.table.MarkLive(0, s.Record.ID(), s.Addr)
	}
	all := make([]uint, 0, 257)
	for d := uint(200); d <= 256; d++ {
		all = append(all, d)
	}
	r := a.call(Request{Type: codec.TypeFindNode, Peer: b.peer(), Distances: all})
	if r.Err != nil || len(r.Records) != 1 {
		t.Fatalf("got %d records, %v; want the public one alone", len(r.Records), r.Err)
	}
	if n := a.e.Counters()[DropNodeRelay]; n != 0 {
		t.Errorf("%d records of private addresses were relayed, and only the asking node dropped them", n)
	}
	// A record that a peer offers all the same is dropped, and nobody is contacted there.
	evil := nw.scriptedPeer("9.9.9.8:9000", 8).listen()
	evil.connect(a)
	peer := Peer{ID: evil.Record.ID(), PublicKey: evil.Key.PublicKey(), Addr: evil.Addr, Record: evil.Record}
	public := nw.scriptedPeer("9.9.9.7:30303", 9).Record
	offers := [][]byte{public.Bytes()}
	var distances []uint
	for i, addr := range []string{"10.1.1.1:1", "127.0.0.1:1", "169.254.1.1:1", "224.0.0.1:1"} {
		offers = append(offers, nw.scriptedPeer(addr, uint64(300+i)).Record.Bytes())
	}
	both, err := public.Edit().SetSeq(public.Seq() + 1).SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(1).Sign(nw.scriptedPeer("9.9.9.7:30303", 9).Key)
	if err != nil {
		t.Fatal(err)
	}
	offers[0] = both.Bytes() // public by IPv4, where it is good, private by IPv6
	for d := uint(1); d <= 256; d++ {
		distances = append(distances, d)
	}
	nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, _ []byte) {
		if c := table.Class(to.Addr()); from == a.addr && c != table.Global {
			t.Errorf("a datagram to %s", to)
		}
	})
	for i, offer := range append(offers, public.Bytes()) {
		evil.got = nil
		var got []Result
		a.w.Begin(nw.now)
		a.w.Start(Request{Type: codec.TypeFindNode, Peer: peer, Distances: distances, Done: func(_ *Worker, r Result) { got = append(got, r) }})
		nw.deliver()
		var m codec.FindNode
		_, body, err := codec.SplitMessage(evil.reply())
		if err != nil || m.Decode(body) != nil {
			t.Fatal("no FINDNODE")
		}
		answer := codec.Nodes{RequestID: m.RequestID, Total: 1, Records: offer}
		nw.inject(evil.Addr, a, evil.message(evil.Record.ID(), a, evil.Keys, answer.Append(nil)))
		want := 0
		if i == 0 || i == len(offers) {
			want = 1
		}
		if len(got) != 1 || len(got[0].Records) != want {
			t.Errorf("offer %d: ended with %+v, want %d records", i, got, want)
		}
	}
	nw.run(30 * time.Second)
}

// chain calls one tap after the other.
func chain(taps ...func(from, to netip.AddrPort, b []byte)) func(from, to netip.AddrPort, b []byte) {
	return func(from, to netip.AddrPort, b []byte) {
		for _, tap := range taps {
			if tap != nil {
				tap(from, to, b)
			}
		}
	}
}

func TestS25WhoareyouForNothing(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	evil := netip.MustParseAddrPort("203.0.113.1:1")
	var seen []byte
	nw.Tap = func(from, to netip.AddrPort, d []byte) {
		if from == b.addr && len(d) == codec.WhoareyouSize && seen == nil {
			seen = bytes.Clone(d)
			// The right nonce from the wrong source comes first, with a challenge of the attacker's
			// own.
			nw.Tap = nil
			id := [32]byte(a.e.ID())
			var p codec.Packet
			if err := codec.NewDecoder(&id, codec.DefaultProtocol).Decode(bytes.Clone(d), &p); err != nil {
				t.Fatal(err)
			}
			forged := (&session.Challenge{Nonce: p.Nonce}).AppendPacket(nil, codec.DefaultProtocol, &id)
			a.w.Receive(nw.now, evil, forged)
			a.runTasks()
			if a.e.Counters()[HandshakesSent] != 0 {
				t.Error("a handshake for the attacker's challenge")
			}
		}
	}
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	if n := a.e.Counters()[DropUnasked]; n != 1 {
		t.Errorf("%d WHOAREYOU from the wrong source were dropped", n)
	}
	for i := range 10 {
		id := [32]byte(a.e.ID())
		p := (&session.Challenge{Nonce: codec.Nonce{byte(i)}}).AppendPacket(nil, codec.DefaultProtocol, &id)
		nw.inject(b.addr, a, p)
	}
	if n := a.e.Counters()[DropUnasked]; n != 11 {
		t.Errorf("%d dropped, want 11", n)
	}
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
}

func TestS26ClockJumps(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", nil)
	for i := range 120 {
		s := nw.scriptedPeer(fmt.Sprintf("10.0.%d.9:9", i), uint64(i)+7)
		a.e.table.Add(nw.now, table.NewNode(s.Record, s.Addr, false))
		a.e.table.MarkLive(nw.now, s.Record.ID(), s.Addr)
	}
	nw.run(time.Second)
	if n := a.e.table.LiveLen(); n < 4*checksPerTick {
		t.Fatalf("%d live nodes: this tests nothing", n)
	}
	before := a.e.Counters()[OutRandom]
	nw.now += 100 * time.Hour
	a.w.Tick(nw.now)
	if n := a.e.Counters()[OutRandom] - before; n > checksPerTick+3 {
		t.Errorf("%d requests together after the clock jumped", n)
	}
}

// Every malformed message is dropped and counted, and the session continues.
func TestBadMessagesAreCounted(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("10.0.0.2:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
	s.connect(b)
	for _, c := range []struct {
		name    string
		message []byte
		want    Counter
	}{
		{"unknown type", []byte{0x0b, 0xc0}, DropMessageType},
		{"request ID of 9 bytes", append([]byte{1, 0xcb, 0x89}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1), DropRequestID},
		{"distance 257", []byte{3, 0xc5, 1, 0xc3, 0x82, 1, 1}, DropDistance},
		{"trailing bytes", append(ping(1), 0), DropMessageForm},
		{"topic message", []byte{9, 0xc0}, DropTopic},
	} {
		before := b.e.Counters()
		nw.inject(s.Addr, b, s.message(s.Record.ID(), b, s.Keys, c.message))
		after := b.e.Counters()
		if after[c.want] != before[c.want]+1 || after[PacketsOut] != before[PacketsOut] {
			t.Errorf("%s: not dropped under its cause", c.name)
		}
	}
	nw.inject(s.Addr, b, s.message(s.Record.ID(), b, s.Keys, ping(1)))
	if m := s.reply(); len(m) == 0 || m[0] != byte(codec.TypePong) {
		t.Error("no PONG afterwards")
	}
}

// A counter without a name would be a drop that nobody sees.
func TestEveryCounterIsDescribed(t *testing.T) {
	seen := make(map[CounterInfo]Counter)
	for c := Counter(0); c < NumCounters; c++ {
		i := c.Info()
		if i.Metric == "" || i.Help == "" {
			t.Errorf("counter %d has no description", c)
		}
		if other, ok := seen[i]; ok {
			t.Errorf("counters %d and %d have the same description", c, other)
		}
		seen[i] = c
	}
}

// A flood in a peer's name exceeds the limit of what does not open; the peer's session is served as
// before, and nobody is banned.
func TestS07FloodInAVictimsName(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("7.7.7.1:9000", nil)
	b := nw.add("8.8.8.2:9000", func(c *Config) {
		c.Unverified = limiter.New(limiter.Config{Rates: limiter.Unverified(), Seed: 1})
		c.Handshake = limiter.New(limiter.Config{Rates: limiter.Unverified(), Seed: 2})
		c.Verified = limiter.New(limiter.Config{Rates: limiter.Verified(), Seed: 3})
		c.Access = limits.NewAccess(0)
	})
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	evil := nw.scriptedPeer("203.0.113.1:1", 7)
	for range 2000 {
		b.w.Receive(nw.now, a.addr, evil.message(a.e.ID(), b, nil, nil))
	}
	nw.Queue = nil // the WHOAREYOU packets go to the victim, which did not ask for them
	c := b.e.Counters()
	if c[RateUnverified] == 0 || c[WhoareyouSent]+c[WhoareyouRepeated] > 500 {
		t.Errorf("%d dropped, %d WHOAREYOU", c[RateUnverified], c[WhoareyouSent]+c[WhoareyouRepeated])
	}
	for range 10 {
		if r := a.ping(b); r.Err != nil {
			t.Fatalf("the victim's session: %v", r.Err)
		}
	}
	if b.e.Counters()[HandshakesReceived] != 1 || b.e.cfg.Access.Len() != 0 {
		t.Error("there was a second handshake, or a ban")
	}
}

// Requests inside a session have a limit too.
func TestRequestsAreLimited(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("8.8.8.2:9000", func(c *Config) {
		c.Verified = limiter.New(limiter.Config{Rates: limiter.Verified(), Seed: 3})
	})
	s := nw.scriptedPeer("7.7.7.9:9", 7).listen()
	s.connect(b)
	for range 5000 {
		b.w.Receive(nw.now, s.Addr, s.message(s.Record.ID(), b, s.Keys, ping(1)))
	}
	c := b.e.Counters()
	if c[RateVerified] == 0 || c[OutPong] > 3000 {
		t.Errorf("%d of 5000 requests at one moment were answered, %d dropped", c[OutPong], c[RateVerified])
	}
}
