package engine

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

// A recorded request is answered at most once more, as a retransmission, whatever it asks for,
// however late it comes and whoever sends it from the recorded address. The session continues.
func TestS27ReplayedRequestIsNotAnswered(t *testing.T) {
	for _, c := range []struct {
		name    string
		request func(s *scriptedPeer) []byte
	}{
		{"PING", func(*scriptedPeer) []byte { return ping(1) }},
		{"FINDNODE", func(s *scriptedPeer) []byte { return findNode(s.nw.t, 254, 255, 256) }},
		{"TALKREQ", func(*scriptedPeer) []byte {
			m := codec.TalkRequest{RequestID: benchID(3), Protocol: []byte("nobody")}
			return m.Append(nil)
		}},
	} {
		for _, gap := range []time.Duration{0, 50 * time.Millisecond, 10 * time.Second} {
			t.Run(fmt.Sprintf("%s every %v", c.name, gap), func(t *testing.T) {
				nw := newNetwork(t)
				b := nw.add("10.0.0.2:9000", nil)
				for i := range 30 {
					r := nw.scriptedPeer(fmt.Sprintf("10.0.%d.1:9", i+1), uint64(1000+i))
					b.e.table.Add(0, table.NewNode(r.Record, r.Addr, false))
					b.e.table.MarkLive(0, r.Record.ID(), r.Addr)
				}
				s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
				s.connect(b)
				recorded := s.message(s.Record.ID(), b, s.Keys, c.request(s))
				s.got = nil
				nw.inject(s.Addr, b, recorded)
				if len(s.got) == 0 {
					t.Fatal("the request itself is not answered")
				}
				s.got = nil
				before := b.e.Counters()
				answered := uint64(0)
				for range 20 {
					for end := nw.now + gap; nw.now < end; {
						nw.run(50 * time.Millisecond)
					}
					s.got = nil // checks of the node's own
					nw.inject(s.Addr, b, recorded)
					if len(s.got) > 0 {
						answered++
					}
				}
				after := b.e.Counters()
				if want := uint64(min(20*gap/retryQuiet, 1)); answered > want {
					t.Errorf("%d of 20 replays were answered, want %d at most", answered, want)
				}
				if n := after[DropReplay] - before[DropReplay]; n != 20-answered {
					t.Errorf("%d replays were counted, and %d answered", n, answered)
				}
				if n := after[Retransmissions] - before[Retransmissions]; n != answered {
					t.Errorf("%d retransmissions were counted, and %d answered", n, answered)
				}
				if n := after[WhoareyouSent] + after[WhoareyouRepeated] - before[WhoareyouSent] - before[WhoareyouRepeated]; n != 0 {
					t.Errorf("%d WHOAREYOU for replays", n)
				}
				s.got = nil
				nw.inject(s.Addr, b, s.message(s.Record.ID(), b, s.Keys, ping(9)))
				if m := s.reply(); len(m) == 0 || m[0] != byte(codec.TypePong) {
					t.Error("the session does not go on")
				}
			})
		}
	}
}

func findNode(t testing.TB, distances ...uint) []byte {
	list, _, err := codec.NewDistances(nil, distances)
	if err != nil {
		t.Fatal(err)
	}
	m := codec.FindNode{RequestID: benchID(2), Distances: list}
	return m.Append(nil)
}

// Replays do not keep a session alive, and a replay under keys that were replaced does not bring
// those back.
func TestS27ReplayLeavesSession(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("10.0.0.2:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
	s.connect(b)
	old := s.Keys
	recorded := s.message(s.Record.ID(), b, old, ping(5))
	nw.inject(s.Addr, b, recorded)
	s.got = nil
	s.connect(b) // with new keys; the old ones still open
	key := session.MakeKey(s.Addr, idOf(s))
	hash := b.e.sessions.Hash(&key)
	before, _ := b.e.sessions.Lookup(&key, hash)
	used := before.Current.Used()
	nw.now += 5 * time.Second
	for range 5 {
		nw.inject(s.Addr, b, recorded)
	}
	after, _ := b.e.sessions.Lookup(&key, hash)
	if after != before || after.Current.Used() != used {
		t.Error("replays have changed the session")
	}
	if n := b.e.Counters()[DropReplay]; n != 5 {
		t.Errorf("%d of 5 replays were counted", n)
	}
}

// Many recorded requests, replayed together, bring the victim one answer a second.
func TestS27ReplaysOfOneSessionAreOneASecond(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("10.0.0.2:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
	s.connect(b)
	var recorded [][]byte
	for i := range 50 {
		m := s.message(s.Record.ID(), b, s.Keys, ping(uint64(10+i)))
		recorded = append(recorded, m)
		nw.inject(s.Addr, b, m)
	}
	s.got = nil
	const seconds = 5
	start := b.e.Counters()[Retransmissions]
	for range seconds * 4 {
		nw.now += time.Second / 4
		for _, m := range recorded {
			nw.inject(s.Addr, b, m)
		}
	}
	if n := b.e.Counters()[Retransmissions] - start; n > seconds || n == 0 {
		t.Errorf("%d of %d replays in %d seconds were answered", n, seconds*4*len(recorded), seconds)
	}
}

// A peer whose answer was lost sends the same bytes again after a second, as the Rust
// implementation does, and is answered.
func TestRetransmissionIsAnswered(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("10.0.0.2:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
	s.connect(b)
	m := s.message(s.Record.ID(), b, s.Keys, ping(9))
	nw.inject(s.Addr, b, m)
	if r := s.reply(); len(r) == 0 || r[0] != byte(codec.TypePong) {
		t.Fatal("no PONG")
	}
	s.got = nil
	nw.now += time.Second
	nw.inject(s.Addr, b, m)
	if r := s.reply(); len(r) == 0 || r[0] != byte(codec.TypePong) {
		t.Error("no PONG to the same bytes a second later")
	}
}

func idOf(s *scriptedPeer) *[32]byte {
	id := [32]byte(s.Record.ID())
	return &id
}

// A PING that the network has doubled is answered once, and the caller sees one answer.
func TestDoubledPackets(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, d []byte) {
		if to == b.addr && len(nw.Queue) < 10 {
			nw.Send(from, to, d)
		}
	})
	nw.Drop = func(netip.AddrPort, netip.AddrPort, []byte) bool { return false }
	pongs := b.e.Counters()[OutPong]
	done := 0
	a.w.Begin(nw.now)
	a.w.Start(Request{Type: codec.TypePing, Peer: b.peer(), Done: func(_ *Worker, r Result) {
		if done++; r.Err != nil {
			t.Error(r.Err)
		}
	}})
	for range 4 {
		if len(nw.Queue) == 0 {
			break
		}
		d := nw.Queue[0]
		nw.Queue = nw.Queue[1:]
		nw.nodes[d.To].w.Receive(nw.now, d.From, append([]byte(nil), d.B...))
		if d.To == b.addr {
			nw.nodes[d.To].w.Receive(nw.now, d.From, append([]byte(nil), d.B...))
		}
	}
	if n := b.e.Counters()[OutPong] - pongs; n != 1 || done != 1 || b.e.Counters()[DropReplay] != 1 {
		t.Errorf("%d PONG, %d results, %d doubles dropped; want 1 each", n, done, b.e.Counters()[DropReplay])
	}
}

// The filter finds what was given to it lately, in bounded memory, and takes nothing new for old.
func TestS27ReplayFilter(t *testing.T) {
	random, err := aead.NewRandom(wiretest.Reader(3))
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() *replayFilter {
		f := new(replayFilter)
		f.init(random)
		return f
	}
	t.Run("slow", func(t *testing.T) {
		// At a message a second the filter stays small and remembers more than replayWindow.
		f, now := fresh(), time.Duration(0)
		var list []uint64
		for range 5000 {
			now += time.Second
			h := random.Uint64()
			if !f.add(now, h) {
				t.Fatal("new, and taken for old")
			}
			list = append(list, h)
		}
		if len(f.buckets) != replayMinBuckets {
			t.Errorf("%d buckets", len(f.buckets))
		}
		for i, h := range list[len(list)-int(replayWindow/time.Second):] {
			if f.add(now, h) {
				t.Fatalf("message %d of the window is forgotten", i)
			}
		}
	})
	t.Run("fast", func(t *testing.T) {
		f, now := fresh(), time.Duration(0)
		const total, recent = 1 << 20, replayMaxBuckets * replayWays / 4
		list := make([]uint64, total)
		for i := range list {
			now += 10 * time.Microsecond
			list[i] = random.Uint64()
			if !f.add(now, list[i]) {
				t.Fatal("new, and taken for old")
			}
		}
		if len(f.buckets) != replayMaxBuckets {
			t.Fatalf("%d buckets", len(f.buckets))
		}
		forgotten := 0
		for _, h := range list[total-recent:] {
			if f.add(now, h) {
				forgotten++
			}
		}
		if forgotten > recent/1000 {
			t.Errorf("%d of the last %d messages are forgotten", forgotten, recent)
		}
	})
	t.Run("growing", func(t *testing.T) {
		// Nothing is forgotten because the filter grows.
		f := fresh()
		var list []uint64
		for len(f.buckets) < 8*replayMinBuckets {
			list = append(list, random.Uint64())
			f.add(0, list[len(list)-1])
			if n := len(list) - 1; n%100 == 0 && f.add(0, list[n-n/4]) {
				t.Fatalf("message %d of %d is forgotten", n-n/4, n)
			}
		}
	})
	t.Run("memory", func(t *testing.T) {
		f := fresh()
		f.buckets = make([]replayBucket, replayMaxBuckets)
		if n := testing.AllocsPerRun(1000, func() { f.add(0, random.Uint64()) }); n > 0 {
			t.Errorf("%v allocations for a message", n)
		}
		if size := replayMaxBuckets * 64; size > 1<<20 {
			t.Errorf("%d bytes", size)
		}
		runtime.KeepAlive(f)
	})
}

func BenchmarkReplayFilter(b *testing.B) {
	random, err := aead.NewRandom(wiretest.Reader(3))
	if err != nil {
		b.Fatal(err)
	}
	var f replayFilter
	f.init(random)
	f.buckets = make([]replayBucket, replayMaxBuckets)
	message := make([]byte, 40)
	b.ReportAllocs()
	var sum byte
	for i := 0; b.Loop(); i++ {
		message[30], message[31], message[32], message[33] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24)
		h := f.hash(message)
		sum ^= f.prefetch(h)
		f.add(0, h)
	}
	_ = sum
}
