package session

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/sha3"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// benchSource returns the same random bytes in each run.
func benchSource(tb testing.TB) *aead.Random {
	tb.Helper()
	r, err := aead.NewRandom(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// benchKey returns the key of session i, with its own node ID and endpoint.
func benchKey(i int) Key {
	var id [32]byte
	r := rand.NewPCG(uint64(i), 3)
	for at := 0; at < len(id); at += 8 {
		binary.LittleEndian.PutUint64(id[at:], r.Uint64())
	}
	addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	return MakeKey(netip.AddrPortFrom(addr, 9000), &id)
}

// benchEstablish makes session i as the recipient does, with a challenge and a handshake.
func benchEstablish(tb testing.TB, m *Map, r *aead.Random, now time.Duration, i int) {
	tb.Helper()
	k := benchKey(i)
	h := m.Hash(&k)
	var nonce codec.Nonce
	var ch Challenge
	var read, write [aead.KeySize]byte
	r.Read(nonce[:])
	r.Read(read[:])
	r.Read(write[:])
	if got := m.Challenge(now, &k, h, &nonce, 0, r, &ch); got != ChallengeNew {
		tb.Fatalf("session %d: result of Challenge is %d", i, got)
	}
	if !m.Establish(now, &k, h, &ch, NewKeys(&read, &write)) {
		tb.Fatalf("session %d: refused", i)
	}
}

// benchHeld counts how many of the first n sessions exist.
func benchHeld(m *Map, n int) (found int) {
	for i := range n {
		k := benchKey(i)
		if f, ok := m.Lookup(&k, m.Hash(&k)); ok && f.Current != nil {
			found++
		}
	}
	return found
}

// benchHeap returns the heap memory in use, in bytes.
func benchHeap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one may only have started to free memory
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// sessionSize is the documented memory of a session with one pair of keys, in bytes.
const sessionSize = 2048

// TestSessionSize measures sessions alone, and a map with everything that belongs to it.
func TestSessionSize(t *testing.T) {
	for _, c := range []struct {
		name     string
		capacity int
		sessions int
		empty    bool // include the empty map
	}{
		{"sessions alone", 8192, 8192, false},
		{"whole map, 100,000 of 131,072", 131_072, 100_000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := benchSource(t)
			before := benchHeap()
			m := NewMap(Config{MaxSessions: c.capacity, Seed: 5})
			if !c.empty {
				before = benchHeap()
			}
			for i := range c.sessions {
				benchEstablish(t, m, r, time.Duration(i)*time.Millisecond, i)
			}
			size := (int64(benchHeap()) - int64(before)) / int64(c.sessions)
			t.Logf("%d sessions take %d bytes each", c.sessions, size)
			if size > sessionSize {
				t.Errorf("a session takes %d bytes, want at most %d", size, sessionSize)
			}
			if size < 2*304 {
				t.Errorf("a session takes %d bytes, less than the smallest ciphers: this test does not measure", size)
			}
			if n := benchHeld(m, c.sessions); n != c.sessions {
				t.Errorf("%d of %d sessions are held", n, c.sessions)
			}
			if st := m.Stats(); st.Sessions != c.sessions || st.Evicted != 0 || st.Refused != 0 {
				t.Errorf("stats %+v, want %d sessions and none evicted", st, c.sessions)
			}
			runtime.KeepAlive(m)
		})
	}
}

var benchSizes = []struct {
	name     string
	sessions int
}{{"1k", 1000}, {"10k", 10_000}, {"100k", 100_000}}

// benchLarge needs 2 GiB, so a benchmark makes it only on request.
const benchLarge = 1_000_000

// benchMap returns a map with n sessions, and their keys in random order.
func benchMap(tb testing.TB, n int) (*Map, []Key) {
	tb.Helper()
	m, r := NewMap(Config{MaxSessions: max(131_072, n+n/4), Seed: 5}), benchSource(tb)
	keys := make([]Key, n)
	for i, at := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		benchEstablish(tb, m, r, time.Duration(i)*time.Millisecond, i)
		keys[at] = benchKey(i)
	}
	runtime.GC()
	return m, keys
}

func benchLookup(b *testing.B, m *Map, keys []Key) {
	b.ReportAllocs()
	i, missing := 0, 0
	for b.Loop() {
		k := &keys[i]
		if _, ok := m.Lookup(k, m.Hash(k)); !ok {
			missing++
		}
		if i++; i == len(keys) {
			i = 0
		}
	}
	if missing > 0 {
		b.Fatalf("%d sessions were not found", missing)
	}
}

// BenchmarkLookup measures finding one session: hash, shard and slot.
func BenchmarkLookup(b *testing.B) {
	for _, c := range benchSizes {
		m, keys := benchMap(b, c.sessions)
		b.Run("sessions="+c.name, func(b *testing.B) {
			benchLookup(b, m, keys)
		})
		b.Run("unknown="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			k := keys[0]
			for i := uint64(0); b.Loop(); i++ {
				binary.LittleEndian.PutUint64(k[keyID:], i)
				if _, ok := m.Lookup(&k, m.Hash(&k)); ok {
					b.Fatal("an unknown session was found")
				}
			}
		})
	}
}

// BenchmarkOpen measures the cost of memory in addition to the lookup: it opens messages of many
// sessions, one by one or after a prefetch of the ciphers of a batch. Opening fails, which takes as
// long as success.
func BenchmarkOpen(b *testing.B) {
	const batch = 64
	var ad [codec.MessageHeaderSize]byte
	var nonce codec.Nonce
	var message [28]byte
	for _, c := range benchSizes {
		m, keys := benchMap(b, c.sessions)
		for _, touch := range []bool{false, true} {
			b.Run(fmt.Sprintf("sessions=%s/touch=%v", c.name, touch), func(b *testing.B) {
				b.ReportAllocs()
				var found [batch]*Keys
				var sum byte
				next := 0
				for n := 0; n < b.N; n += batch {
					for i := range found {
						k := &keys[next]
						f, _ := m.Lookup(k, m.Hash(k))
						found[i] = f.Current
						if next++; next == len(keys) {
							next = 0
						}
					}
					if touch {
						for _, k := range found {
							sum += k.Prefetch()
						}
					}
					for _, k := range found {
						if _, err := k.Open(&nonce, message[:], ad[:]); err == nil {
							b.Fatal("noise was opened")
						}
					}
				}
				_ = sum
			})
		}
	}
}

// BenchmarkChallenge measures a message that does not decrypt: the first of its sender, or one
// while a challenge lives.
func BenchmarkChallenge(b *testing.B) {
	for _, c := range []struct {
		name string
		keys int
		each time.Duration // between two rounds over the keys
		want ChallengeResult
	}{{"repeated", 1024, 0, ChallengeRepeated}, {"new", 1 << 15, 2 * time.Second, ChallengeNew}} {
		b.Run(c.name, func(b *testing.B) {
			m, r := NewMap(Config{MaxChallenges: 1 << 17, Seed: 5}), benchSource(b)
			keys := make([]Key, c.keys)
			now := time.Minute
			var nonce codec.Nonce
			var ch Challenge
			for i := range keys {
				keys[i] = benchKey(i)
				m.Challenge(now, &keys[i], m.Hash(&keys[i]), &nonce, 0, r, &ch)
			}
			b.ReportAllocs()
			i, other := 0, 0
			now += c.each
			for b.Loop() {
				k := &keys[i]
				if m.Challenge(now, k, m.Hash(k), &nonce, 0, r, &ch) != c.want {
					other++
				}
				if i++; i == len(keys) {
					i, now = 0, now+c.each
				}
			}
			if other > 0 {
				b.Fatalf("%d results are not %d", other, c.want)
			}
		})
	}
}

// BenchmarkLookupLarge is BenchmarkLookup with a million sessions.
func BenchmarkLookupLarge(b *testing.B) {
	b.Run("sessions=1M", func(b *testing.B) {
		m, keys := benchMap(b, benchLarge)
		benchLookup(b, m, keys)
	})
}

// BenchmarkHandshake measures the cryptography of both sides. In accept each handshake is from
// another node than the one before. rest is the cost of accepting a handshake with a new record,
// minus its curve arithmetic: an ECDH, and two verifications with one key. It is the median of
// differences within a round, so noise between rounds does not matter.
func BenchmarkHandshake(b *testing.B) {
	alice, bob := newNode(b, 1), newNode(b, 2)
	ch := newChallenge(bob.random, 0)
	challengeData, pub := ch.Append(nil, bob.Protocol), bob.Key.PublicKey()
	b.Run("initiate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := alice.Initiate(challengeData, bob.Key.ID(), &pub, alice.random); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, known := range []bool{false, true} {
		name := map[bool]string{false: "accept/record=new", true: "accept/record=known"}[known]
		peers := newBenchPeers(b, bob, ch, known)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				peers.accept(b, i)
			}
		})
	}
	b.Run("rest/record=new", func(b *testing.B) {
		peers := newBenchPeers(b, bob, ch, false)
		took := make([]time.Duration, 0, 1<<12)
		for i := 0; b.Loop(); i++ {
			var whole, curve time.Duration
			if i%2 == 0 { // alternate, because the second finds warm branch predictors
				whole, curve = peers.accept(b, i), peers.curve(b, i)
			} else {
				curve, whole = peers.curve(b, i), peers.accept(b, i)
			}
			if len(took) < cap(took) {
				took = append(took, whole-curve)
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2]), "ns/op")
	})
}

// benchPeers are nodes that have answered one challenge of server.
type benchPeers struct {
	server  Handshaker
	ch      *Challenge
	decoder *codec.Decoder
	packet  codec.Packet
	buf     []byte
	peers   [16]benchPeer
}

type benchPeer struct {
	wire   []byte
	hs     *handshake
	pub    [33]byte
	record *enr.Record // known to the server, or nil
	signed struct{ id, record [32]byte }
	view   enr.View
}

// newBenchPeers makes the peers. The server's cache holds four records, so it has forgotten each of
// the sixteen when that peer returns.
func newBenchPeers(b *testing.B, server *node, ch *Challenge, known bool) *benchPeers {
	p := &benchPeers{
		server: Handshaker{Key: server.Key, Curve: server.Curve, Protocol: server.Protocol, Records: enr.NewCache(1, 1)},
		ch:     ch, decoder: codec.NewDecoder(server.id(), server.Protocol),
	}
	for i := range p.peers {
		n, q := newNode(b, byte(100+i)), &p.peers[i]
		record := n.record.Bytes()
		if known {
			record, q.record = nil, n.record
		}
		q.hs, q.pub, q.view = n.answer(b, ch, server, record), n.Key.PublicKey(), n.record.View()
		q.signed.id = aead.IDSignatureDigest(ch.Append(nil, server.Protocol), &q.hs.ephemeral, server.id())
		q.signed.record = recordDigest(q.view)
		q.wire = q.hs.encode(b, n.random, "message", server.id())
	}
	p.buf = make([]byte, 1280)
	return p
}

// recordDigest returns the digest that a record's signature signs (enr.md): the list without the
// signature. All these records have 58 to 255 bytes, and so does the part after the signature.
func recordDigest(v enr.View) (digest [32]byte) {
	const header, signature = 2, 2 + 64
	content := v.Bytes()[header+signature:]
	h := sha3.NewLegacyKeccak256()
	h.Write([]byte{0xf8, byte(len(content))})
	h.Write(content)
	h.Sum(digest[:0])
	return digest
}

// accept measures the server's handling of the handshake of peer i.
func (p *benchPeers) accept(b *testing.B, i int) time.Duration {
	q := &p.peers[i%len(p.peers)]
	start := time.Now()
	if err := p.decoder.Decode(p.buf[:copy(p.buf, q.wire)], &p.packet); err != nil {
		b.Fatal(err)
	}
	if _, err := p.server.Accept(p.ch, &p.packet, q.record); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// curve measures the curve arithmetic of accept.
func (p *benchPeers) curve(b *testing.B, i int) time.Duration {
	q, c := &p.peers[i%len(p.peers)], p.server.Curve
	scalar := p.server.Key.Bytes()
	start := time.Now()
	xy, err := c.Decompress(&q.pub)
	ok := c.VerifyPoint(&xy, &q.signed.id, &q.hs.signature) && c.VerifyPoint(&xy, &q.signed.record, (*[64]byte)(q.view.Signature()))
	_, errECDH := c.ECDH(&scalar, &q.hs.ephemeral)
	took := time.Since(start)
	if err != nil || !ok || errECDH != nil {
		b.Fatal("the arithmetic does not come out")
	}
	return took
}
