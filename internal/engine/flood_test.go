package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// arithmetic counts the curve operations that any source can cause, by kind.
type arithmetic struct {
	curve.Curve
	verified, agreed int
}

func (c *arithmetic) Verify(pub *[33]byte, digest *[32]byte, sig *[64]byte) bool {
	c.verified++
	return c.Curve.Verify(pub, digest, sig)
}

func (c *arithmetic) VerifyPoint(xy *[64]byte, digest *[32]byte, sig *[64]byte) bool {
	c.verified++
	return c.Curve.VerifyPoint(xy, digest, sig)
}

func (c *arithmetic) ECDH(secret *[32]byte, pub *[33]byte) ([33]byte, error) {
	c.agreed++
	return c.Curve.ECDH(secret, pub)
}

func (c *arithmetic) operations() int { return c.verified + c.agreed }

// limited gives a node the limits that a bootnode has.
func limited(c *Config) {
	c.Unverified = limiter.New(limiter.Config{Rates: limiter.Unverified(), Seed: 1})
	c.Handshake = limiter.New(limiter.Config{Rates: limiter.Unverified(), Seed: 2})
	c.Verified = limiter.New(limiter.Config{Rates: limiter.Verified(), Seed: 3})
}

// spoofed is a source address of a flood that comes from everywhere.
func spoofed(rng *rand.Rand) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], rng.Uint32())
	b[0] = 20 + b[0]%100
	return netip.AddrPortFrom(netip.AddrFrom4(b), uint16(1024+rng.IntN(60000)))
}

// New peers that are 100 ms away make their handshakes beside a flood of messages under false names
// from everywhere that is twice the size of the table of challenges in a second.
func TestS40NewPeersBesideFlood(t *testing.T) {
	const size, rate, rtt, step = 1920, 2 * 1920, 100 * time.Millisecond, 2 * time.Millisecond
	nw := newNetwork(t)
	b := nw.add("8.8.8.2:9000", func(c *Config) { limited(c); c.Session.MaxChallenges = size })
	evil, rng := nw.scriptedPeer("203.0.113.1:1", 7), rand.New(rand.NewPCG(3, 4))
	flood := func(d time.Duration) {
		owed := 0.0
		for end := nw.now + d; nw.now < end; nw.now += step {
			for owed += rate * step.Seconds(); owed >= 1; owed-- {
				var id enr.ID
				binary.BigEndian.PutUint64(id[:], rng.Uint64())
				b.w.Receive(nw.now, spoofed(rng), evil.message(id, b, nil, nil))
				nw.Queue = nil // WHOAREYOU to nobody
			}
		}
	}
	flood(1200 * time.Millisecond)
	const peers = 60
	ok := 0
	for i := range peers {
		s := nw.scriptedPeer(fmt.Sprintf("9.%d.0.9:9", i+1), uint64(1000+i)).listen()
		ch := s.challenge(b)
		flood(rtt)
		before := b.e.Counters()[HandshakesReceived]
		nw.inject(s.Addr, b, s.encode(s.answer(ch, b, ping(1)), b))
		if b.e.Counters()[HandshakesReceived] > before {
			ok++
		}
	}
	t.Logf("%d of %d new peers at the first try", ok, peers)
	if ok < peers*9/10 {
		t.Errorf("%d of %d new peers at the first try", ok, peers)
	}
	if c := b.e.Counters(); c[DropChallengesFull] == 0 || b.e.Sessions().Stats().Challenges > size {
		t.Errorf("%d challenges evicted, %d held: the flood is none", c[DropChallengesFull], b.e.Sessions().Stats().Challenges)
	}
}

// Messages and false handshakes in the name of a node do not keep it out: it makes its own
// handshake within four tries, and no signature is verified for a false one.
func TestS41NodeUnderFalseHandshakes(t *testing.T) {
	const rtt, step = 100 * time.Millisecond, 500 * time.Microsecond
	for _, c := range []struct{ messages, handshakes int }{{1, 0}, {5, 80}, {20, 70}} {
		t.Run(fmt.Sprintf("%d messages, %d handshakes a second", c.messages, c.handshakes), func(t *testing.T) {
			nodes, first, within := 16, 0, 0
			for i := range nodes {
				nw := newNetwork(t)
				math := &arithmetic{Curve: curve.Default()}
				b := nw.add("8.8.8.2:9000", func(cfg *Config) { limited(cfg); cfg.Curve = math })
				s := nw.scriptedPeer(fmt.Sprintf("9.9.%d.9:9", i), uint64(1000+i)).listen()
				evil, rng := nw.scriptedPeer("203.0.113.1:1", 7), rand.New(rand.NewPCG(uint64(i), 4))
				// The attacker knows the address, ID and record of the node.
				false1 := wiretest.Handshake{Source: s.Record.ID(), Record: s.Record.Bytes(), Initiation: session.Initiation{Keys: session.NewKeys(&[16]byte{1}, &[16]byte{2})}, Plaintext: ping(1)}
				false1.Ephemeral = evil.Key.PublicKey()
				owed := [2]float64{rng.Float64(), rng.Float64()}
				attack := func(d time.Duration) {
					for end := nw.now + d; nw.now < end; nw.now += step {
						for owed[0] += float64(c.messages) * step.Seconds(); owed[0] >= 1; owed[0]-- {
							nw.inject(s.Addr, b, evil.message(s.Record.ID(), b, nil, nil))
						}
						for owed[1] += float64(c.handshakes) * step.Seconds(); owed[1] >= 1; owed[1]-- {
							nw.inject(s.Addr, b, evil.encode(false1, b))
						}
					}
				}
				attack(2*time.Second + time.Duration(rng.IntN(1000))*time.Millisecond)
				for try := range 4 {
					s.got = nil
					message := s.message(s.Record.ID(), b, nil, nil)
					nw.inject(s.Addr, b, message)
					ch, got := s.take()
					attack(rtt)
					if got && ch.Nonce == nonceOf(t, b, message) {
						nw.inject(s.Addr, b, s.encode(s.answer(ch, b, ping(1)), b))
					}
					if b.e.Counters()[HandshakesReceived] > 0 {
						if within++; try == 0 {
							first++
						}
						break
					}
					attack(time.Second - rtt)
				}
				n := b.e.Counters()
				if math.verified > 1+int(n[HandshakesReceived]) { // its own, and that of its record
					t.Errorf("%d signatures verified", math.verified)
				}
				if c.handshakes > 0 && n[DropHandshakeOpen] == 0 {
					t.Error("no false handshake was examined: this tests nothing")
				}
			}
			t.Logf("%d of %d nodes at the first try, %d within four", first, nodes, within)
			if within < nodes {
				t.Errorf("%d of %d nodes within four tries", within, nodes)
			}
		})
	}
}

// nonceOf reads the nonce of a packet to b.
func nonceOf(t *testing.T, b *node, packet []byte) codec.Nonce {
	id := [32]byte(b.e.ID())
	var p codec.Packet
	if err := codec.NewDecoder(&id, codec.DefaultProtocol).Decode(append([]byte(nil), packet...), &p); err != nil {
		t.Fatal(err)
	}
	return p.Nonce
}

// A handshake of a sender that has not seen the challenge costs one key agreement, and nothing
// where the challenge has used up its attempts.
func TestS42BlindHandshakes(t *testing.T) {
	for _, c := range []struct {
		name           string
		change         func(h *wiretest.Handshake, evil *scriptedPeer)
		agreed, queued bool
		want           Counter
	}{
		{"plausible", func(*wiretest.Handshake, *scriptedPeer) {}, true, true, DropHandshakeOpen},
		{"prefix of the ephemeral key", func(h *wiretest.Handshake, _ *scriptedPeer) { h.Ephemeral[0] = 4 }, false, false, DropHandshakeKey},
		{"ephemeral key of zeros", func(h *wiretest.Handshake, _ *scriptedPeer) { h.Ephemeral = [33]byte{} }, false, false, DropHandshakeKey},
		{"no record where none is known", func(h *wiretest.Handshake, _ *scriptedPeer) { h.Record = nil }, false, false, DropHandshakeRecord},
		{"record of another", func(h *wiretest.Handshake, evil *scriptedPeer) { h.Record = evil.Record.Bytes() }, false, true, DropHandshakeOwner},
		{"record of garbage", func(h *wiretest.Handshake, _ *scriptedPeer) { h.Record = []byte{0xc3, 1, 2, 3} }, false, true, DropHandshakeRecord},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			math := &arithmetic{Curve: curve.Default()}
			b := nw.add("8.8.8.2:9000", func(cfg *Config) { cfg.Curve = math })
			evil := nw.scriptedPeer("203.0.113.1:1", 7)
			const names = 200
			queued := 0
			for i := range names {
				s := nw.scriptedPeer(fmt.Sprintf("9.9.%d.9:9", i), uint64(1000+i))
				nw.inject(s.Addr, b, evil.message(s.Record.ID(), b, nil, nil))
				h := wiretest.Handshake{Source: s.Record.ID(), Record: s.Record.Bytes(), Initiation: session.Initiation{Keys: session.NewKeys(&[16]byte{1}, &[16]byte{2}), Ephemeral: s.Key.PublicKey()}, Plaintext: ping(1)}
				c.change(&h, evil)
				b.w.Receive(nw.now, s.Addr, s.encode(h, b))
				queued += b.e.Tasks()
				b.runTasks()
			}
			if math.verified > 0 || c.agreed && math.agreed != names || !c.agreed && math.agreed > 0 {
				t.Errorf("%d signatures verified, %d key agreements for %d handshakes", math.verified, math.agreed, names)
			}
			if (queued > 0) != c.queued {
				t.Errorf("%d were queued", queued)
			}
			if n := b.e.Counters()[c.want]; n != names {
				t.Errorf("%d of %d have the cause %v", n, names, c.want.Info())
			}
			if n := b.e.Records().Stats(); n.Verified+n.Failed > 0 {
				t.Errorf("%+v: records verified", n)
			}
		})
	}
}

// The first handshake of a name does not wait for the second and later ones of others, and these
// have their turns too.
func TestS42FirstHandshakesFirst(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("8.8.8.2:9000", nil)
	b.holdTasks = true
	evil := nw.scriptedPeer("203.0.113.1:1", 7)
	blind := func(s *scriptedPeer) []byte {
		return s.encode(wiretest.Handshake{Source: s.Record.ID(), Record: s.Record.Bytes(), Initiation: session.Initiation{Keys: session.NewKeys(&[16]byte{1}, &[16]byte{2}), Ephemeral: s.Key.PublicKey()}, Plaintext: ping(1)}, b)
	}
	for i := range 8 { // names of 8 networks, with 60 handshakes each
		s := nw.scriptedPeer(fmt.Sprintf("9.%d.9.9:9", i), uint64(1000+i))
		nw.inject(s.Addr, b, evil.message(s.Record.ID(), b, nil, nil))
		for range 60 {
			nw.inject(s.Addr, b, blind(s))
		}
	}
	if n := b.e.Tasks(); n != 8+1024/laterRoom {
		t.Errorf("%d wait, want %d", n, 8+1024/laterRoom)
	}
	s := nw.scriptedPeer("10.0.0.9:9", 99).listen()
	nw.inject(s.Addr, b, s.encode(s.answer(s.challenge(b), b, ping(1)), b))
	tasks := 0
	for b.e.Counters()[HandshakesReceived] == 0 && b.w.RunTask() {
		tasks++
	}
	if tasks > 12 {
		t.Errorf("the new peer's handshake was number %d in turn", tasks)
	}
	for range 8 { // later ones have turns while first ones wait
		if j := b.e.inbound.pop(); j == nil || j.first {
			t.Fatal("no later handshake is left")
		}
	}
}

// Both lines of a queue keep their order, later handshakes have one turn in four, and no task is
// lost.
func TestQueueLines(t *testing.T) {
	var q taskQueue
	q.init(64)
	var pushed [2]int
	for i := range 40 {
		later := i%2 == 1
		j, _ := q.reserveHandshake(netip.AddrFrom4([4]byte{9, byte(i), 1, 1}), !later)
		if j == nil {
			if !later {
				t.Fatalf("task %d has no room", i)
			}
			continue
		}
		j.hash = uint64(i)
		q.push(j)
		pushed[i%2]++
	}
	if pushed != [2]int{20, 64 / laterRoom} {
		t.Fatalf("%v pushed", pushed)
	}
	var got []bool
	last := [2]int{-1, -1}
	for j := q.pop(); j != nil; j = q.pop() {
		line := int(j.hash % 2)
		if int(j.hash) <= last[line] {
			t.Fatal("out of order")
		}
		last[line] = int(j.hash)
		got = append(got, j.first)
		q.release(j)
	}
	later := 0
	for _, first := range got[:16] {
		if !first {
			later++
		}
	}
	if len(got) != pushed[0]+pushed[1] || later != 16/laterTurn || q.quota.Len() != 0 || q.later != 0 || q.len() != 0 {
		t.Errorf("%d popped, %d later ones of the first 16; %d reserved, %d later", len(got), later, q.quota.Len(), q.later)
	}
}
