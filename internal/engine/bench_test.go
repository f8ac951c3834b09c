package engine

import (
	"bytes"
	cryptorand "crypto/rand"
	"encoding/binary"
	"io"
	"math"
	"net/netip"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
	"github.com/fastdisc/discv5/topic"
)

// benchWriter takes answers and forgets them, into buffers that are used in turn as those of a
// batch are.
type benchWriter struct {
	slab  [BatchSize][codec.MaxPacketSize]byte
	sizes [BatchSize]int
	at    int
	n     int // datagrams
}

func (o *benchWriter) Buffer() []byte { return o.slab[o.at][:] }
func (o *benchWriter) Commit(n int, _ netip.AddrPort, _ Via) {
	o.sizes[o.at] = n
	o.at = (o.at + 1) % BatchSize
	o.n++
}

// benchPeer is a node that has a session with the engine under test.
type benchPeer struct {
	addr netip.AddrPort
	id   [32]byte
	keys *session.Keys
	rec  *enr.Record // nil unless the engine is a registrar
}

// benchEngine is an engine with sessions, and a table whose three farthest buckets are full.
type benchEngine struct {
	tb     testing.TB
	e      *Engine
	w      *Worker
	out    benchWriter
	source *countedReader // of all randomness
	rand   *aead.Random
	peers  []benchPeer
	work   [BatchSize][codec.MaxPacketSize]byte
	now    time.Duration
}

// request is a datagram that is given to the engine again and again.
type request struct {
	from netip.AddrPort
	b    []byte
}

func newBenchEngine(tb testing.TB, sessions int) *benchEngine {
	return newBenchEngineWith(tb, sessions, nil)
}

// newBenchEngineWith makes a registrar of the engine if it is given a configuration for one. Then
// the peers have records, and the nodes of the table are capable.
func newBenchEngineWith(tb testing.TB, sessions int, registrar *topic.Config) *benchEngine {
	tb.Helper()
	source := &countedReader{Reader: wiretest.Reader(7)}
	check := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatal(err)
		}
	}
	key, err := enr.GenerateKey(source)
	check(err)
	rec, err := enr.NewBuilder().SetIP(netip.MustParseAddr("10.0.0.1")).SetUDP(9000).Sign(key)
	check(err)
	f := &benchEngine{tb: tb, source: source, now: time.Minute}
	f.e, err = New(Config{
		Key: key, Record: rec, IPv4: true, IPv6: true, Random: source,
		Session: session.Config{MaxSessions: max(sessions, 1024), MaxChallenges: 1 << 17}, Registrar: registrar, Records: 16 * max(sessions, 256),
	})
	check(err)
	f.w, err = f.e.NewWorker(&f.out, 1)
	check(err)
	f.w.replayed.buckets = make([]replayBucket, replayMaxBuckets) // as after a while
	f.rand, err = aead.NewRandom(source)
	check(err)
	for i := range sessions {
		f.connect(i)
	}
	f.fill()
	return f
}

// benchSeq is the sequence number of the peers' records, which they have shown in their handshakes
// and name in each PING.
const benchSeq = 1

// connect makes a session in the same way as a handshake of the engine's own does.
func (f *benchEngine) connect(i int) {
	var a, b [aead.KeySize]byte
	p := benchPeer{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 16), byte(i >> 8)}), uint16(9000+i&255))}
	f.rand.Read(p.id[:])
	if f.e.registrar != nil {
		f.identify(&p, i)
	}
	f.rand.Read(a[:])
	f.rand.Read(b[:])
	p.keys = session.NewKeys(&a, &b)
	k := session.MakeKey(p.addr, &p.id)
	h, keys := f.e.sessions.Hash(&k), session.NewKeys(&b, &a)
	keys.SetRecordSeq(benchSeq)
	if !f.e.sessions.Offer(f.now, &k, h, keys, f.now+time.Minute) || !f.e.sessions.Promote(f.now, &k, h, keys) {
		f.tb.Fatal("no room for a session")
	}
	f.e.noteRecord(&k, h, p.rec)
	f.e.budget.Prove(f.now, p.addr) // as the handshake does
	f.peers = append(f.peers, p)
}

// fill puts nodes with records of the usual size into the table, as if they had answered.
func (f *benchEngine) fill() {
	source := wiretest.Reader(8)
	full := 0
	for i := 0; full < 3; i++ {
		key, err := enr.GenerateKey(source)
		if err != nil {
			f.tb.Fatal(err)
		}
		d := enr.LogDistance(f.e.self, key.ID())
		if d < codec.MaxDistance-2 || f.e.table.BucketInfo(d).Len == table.DefaultBucketSize {
			continue
		}
		ip := netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})
		if f.e.registrar != nil {
			// its records go to peers everywhere
			ip = netip.AddrFrom4([4]byte{60, byte(i >> 8), byte(i), 1})
		}
		b := enr.NewBuilder().SetSeq(40).SetIP(ip).SetUDP(9000).SetTCP(9000).SetQUIC(9001).
			SetBytes("eth2", make([]byte, 16)).SetBytes("attnets", make([]byte, 8)).SetBytes("syncnets", make([]byte, 1)).
			SetUint("cgc", 4).SetBytes("nfd", make([]byte, 4))
		if f.e.registrar != nil {
			b.SetTopicVersion(enr.TopicVersion)
		}
		rec, err := b.Sign(key)
		if err != nil {
			f.tb.Fatal(err)
		}
		addr := netip.AddrPortFrom(ip, 9000)
		f.e.table.Add(f.now, table.NewNode(rec, addr, false))
		f.e.table.MarkLive(f.now, rec.ID(), addr)
		if f.e.table.BucketInfo(d).Len == table.DefaultBucketSize {
			full++
		}
	}
}

// seal makes a request of peer i.
func (f *benchEngine) seal(i int, message []byte) request {
	p := &f.peers[i]
	h := session.Header{Protocol: codec.DefaultProtocol, Source: p.id}
	f.rand.Block(&h.IV)
	p.keys.NextNonce(&h.Nonce, f.rand)
	self := [32]byte(f.e.self)
	b := h.AppendMessage(make([]byte, 0, codec.MaxPacketSize), &self, p.keys, message)
	// close together: the requests should take little of the cache
	return request{p.addr, bytes.Clone(b)}
}

// junk makes a message of a peer without a session, of the size of a PING.
func (f *benchEngine) junk(i int) request {
	h := session.Header{Protocol: codec.DefaultProtocol}
	f.rand.Read(h.Source[:])
	h.Randomize(f.rand)
	noise := make([]byte, 28)
	f.rand.Read(noise)
	self := [32]byte(f.e.self)
	b := h.AppendUnopenable(nil, &self, noise)
	return request{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 3, byte(i >> 8), byte(i)}), 9000), b}
}

func benchID(n int) codec.RequestID {
	id, _ := codec.NewRequestID(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return id
}

func (f *benchEngine) ping(i int) request {
	m := codec.Ping{RequestID: benchID(i), RecordSeq: benchSeq}
	return f.seal(i, m.Append(nil))
}

func (f *benchEngine) findNode(i int, distances ...uint) request {
	list, _, err := codec.NewDistances(nil, distances)
	if err != nil {
		f.tb.Fatal(err)
	}
	m := codec.FindNode{RequestID: benchID(i), Distances: list}
	return f.seal(i, m.Append(nil))
}

func (f *benchEngine) talk(i int) request {
	m := codec.TalkRequest{RequestID: benchID(i), Protocol: []byte("nobody"), Payload: make([]byte, 100)}
	return f.seal(i, m.Append(nil))
}

// give feeds n requests in full batches, starting at request start. The same ones may be given
// again: with another key the filter against replay does not know them.
func (f *benchEngine) give(list []request, start, n int) {
	f.w.replayed.key[0]++
	for n > 0 {
		f.w.Begin(f.now)
		for j := range min(n, BatchSize) {
			r := &list[(start+j)%len(list)]
			f.w.Add(r.from, f.work[j][:copy(f.work[j][:], r.b)])
		}
		f.w.Flush()
		start += BatchSize
		n -= BatchSize
	}
}

// many makes one request for each peer, in an order that is not that of memory.
func (f *benchEngine) many(one func(i int) request) []request {
	const step = 7919 // prime, and no divisor of the numbers of sessions used here
	list := make([]request, len(f.peers))
	for i := range list {
		list[i] = one(i * step % len(f.peers))
	}
	return list
}

// BenchmarkEngine measures one datagram, from its bytes to those of its response.
func BenchmarkEngine(b *testing.B) {
	for _, c := range []struct {
		name     string
		sessions int
		list     func(f *benchEngine) []request
		each     time.Duration // passes after every turn through the list
		answers  int           // datagrams for each request
		counter  Counter
	}{
		{"ping/sessions=1k", 1000, func(f *benchEngine) []request { return f.many(f.ping) }, 0, 1, OutPong},
		{"ping/sessions=10k", 10_000, func(f *benchEngine) []request { return f.many(f.ping) }, 0, 1, OutPong},
		{"ping/sessions=100k", 100_000, func(f *benchEngine) []request { return f.many(f.ping) }, 0, 1, OutPong},
		{"findnode/one=16", 1000, func(f *benchEngine) []request {
			return f.many(func(i int) request { return f.findNode(i, 256) })
		}, 0, 4, OutNodes},
		{"findnode/three=16", 1000, func(f *benchEngine) []request {
			return f.many(func(i int) request { return f.findNode(i, 254, 255, 256) })
		}, 0, 4, OutNodes},
		{"findnode/none", 1000, func(f *benchEngine) []request {
			return f.many(func(i int) request { return f.findNode(i, 100) })
		}, 0, 1, OutNodes},
		{"talk/unknown", 1000, func(f *benchEngine) []request { return f.many(f.talk) }, 0, 1, OutTalkResponse},
		{"junk/repeated", 0, junkList(1024), 0, 1, WhoareyouRepeated},
		{"junk/new", 0, junkList(1 << 15), 2 * time.Second, 1, WhoareyouSent},
		{"foreign", 0, func(f *benchEngine) []request {
			r := f.junk(0)
			r.b[20] ^= 1 // protocol ID
			return []request{r}
		}, 0, 0, DropProtocol},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := newBenchEngine(b, c.sessions)
			list := c.list(f)
			f.give(list, 0, len(list))
			if c.counter == WhoareyouSent {
				f.now += 2 * time.Second
			}
			f.out.n = 0
			before := f.w.counts[c.counter]
			f.measure(b, list, c.each)
			if got := f.w.counts[c.counter] - before; got != uint64(b.N*max(c.answers, 1)) || f.out.n != b.N*c.answers {
				b.Fatalf("%d datagrams: counted %d, %d answers", b.N, got, f.out.n)
			}
		})
	}
}

// measure gives the engine b.N requests, each of the list in turn. pass is the time between two
// rounds of the list.
func (f *benchEngine) measure(b *testing.B, list []request, pass time.Duration) {
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := min(b.N-done, len(list))
		f.give(list, 0, n)
		done += n
		f.now += pass
	}
	b.StopTimer()
}

func junkList(n int) func(f *benchEngine) []request {
	return func(f *benchEngine) []request {
		list := make([]request, n)
		for i := range list {
			list[i] = f.junk(i)
		}
		return list
	}
}

// countedReader counts what is read from it.
type countedReader struct {
	io.Reader
	reads int
}

func (r *countedReader) Read(p []byte) (int, error) {
	r.reads++
	return r.Reader.Read(p)
}

// reseedObjects measures what aead.Random takes from the heap for a new seed, which comes after
// every 1 MiB of output: two objects, or three where crypto/aes keeps its key apart.
func reseedObjects(t *testing.T) int {
	r, err := aead.NewRandom(cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(10, func() {
		if err := r.Reseed(); err != nil {
			t.Error(err)
		}
	})
	if n > 3 {
		t.Errorf("a new seed allocates %v times", n)
	}
	return int(n)
}

// A worker allocates nothing for an ordinary mix of datagrams: not once in 100,000, apart from new
// seeds, which are counted exactly. testing.AllocsPerRun would round that down to 0.
func TestEngineAllocations(t *testing.T) {
	f := newBenchEngine(t, 256)
	foreign, short := f.junk(0), f.junk(1)
	foreign.b[20] ^= 1
	short.b = short.b[:codec.MinPacketSize-1]
	unasked := codec.Pong{RequestID: benchID(1), RecordSeq: 1, Recipient: f.peers[0].addr}
	badKey := f.ping(1)
	badKey.b[len(badKey.b)-1] ^= 1
	handshake := f.unchallenged()
	mix := []request{
		f.ping(0), f.ping(1), f.ping(2), f.ping(3), f.ping(0), f.ping(4), f.findNode(5, 254, 255, 256), f.findNode(6, 0, 250),
		f.findNode(7), f.talk(8), f.junk(2), f.junk(3), f.junk(2), foreign, short, handshake, badKey,
		f.seal(9, unasked.Append(nil)), f.seal(10, []byte{0xff, 0xc0}), f.seal(11, []byte{byte(codec.TypePing), 0xc0}),
	}
	// The engine makes new challenges all the time: as many unknown sources as half of the slots
	// send, over and over.
	for i := range 1 << 10 {
		mix = append(mix, f.ping(i%len(f.peers)), f.junk(4+i))
	}
	const datagrams = 100_000
	if f.turns(mix, datagrams/4); t.Failed() {
		return
	}
	for _, c := range []Counter{OutPong, OutNodes, OutTalkResponse, WhoareyouSent, WhoareyouRepeated, DropProtocol, DropSize,
		DropNoChallenge, DropUnsolicited, DropMessageType, DropMessageForm} {
		if f.w.counts[c] == 0 {
			t.Errorf("the mix does not reach counter %v", c.Info())
		}
	}
	if n := f.objects(t, func() { f.turns(mix, datagrams) }); n > 0 {
		t.Errorf("%d objects allocated for %d datagrams, want 0", n, datagrams)
	}
}

// objects returns how many objects run allocates, without those for new seeds of random numbers.
// Another goroutine of the test binary may allocate meanwhile, so the least of three tries counts.
func (f *benchEngine) objects(t *testing.T, run func()) int {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	runtime.GC()
	var before, after runtime.MemStats
	least, reseed := math.MaxInt, reseedObjects(t)
	for try := 0; try < 3 && least > 0; try++ {
		seeds := f.source.reads
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		least = min(least, int(after.Mallocs-before.Mallocs)-reseed*(f.source.reads-seeds))
	}
	return least
}

// turns feeds at least n datagrams. Challenges end between two turns through the list.
func (f *benchEngine) turns(list []request, n int) {
	for ; n > 0; n -= len(list) {
		f.give(list, 0, len(list))
		f.now += 600 * time.Millisecond
	}
}

// unchallenged is a handshake packet that nobody asked for.
func (f *benchEngine) unchallenged() request {
	var key [aead.KeySize]byte
	h := session.Header{Protocol: codec.DefaultProtocol}
	in := session.Initiation{Keys: session.NewKeys(&key, &key)}
	self := [32]byte(f.e.self)
	b := h.AppendHandshake(nil, &self, &in, nil, make([]byte, 24))
	return request{netip.MustParseAddrPort("10.4.0.1:9000"), b}
}

// The benchmarks measure responses. This test checks that they are the right ones.
func TestBenchmarkAnswers(t *testing.T) {
	f := newBenchEngine(t, 4)
	for _, c := range []struct {
		name string
		r    request
		size int
	}{
		{"ping", f.ping(0), 107},
		{"talk", f.talk(1), 99},
		{"junk", f.junk(0), codec.WhoareyouSize},
	} {
		f.out.n, f.out.at = 0, 0
		f.give([]request{c.r}, 0, 1)
		if f.out.n != 1 || f.out.sizes[0] != c.size {
			t.Errorf("%s: %d datagrams, the first of %d bytes; want 1 of %d", c.name, f.out.n, f.out.sizes[0], c.size)
		}
	}
	f.out.n, f.out.at = 0, 0
	f.give([]request{f.findNode(2, 254, 255, 256)}, 0, 1)
	if f.out.n != 4 {
		t.Fatalf("FINDNODE is answered by %d packets, want 4", f.out.n)
	}
	decoder, records := codec.NewDecoder(&f.peers[2].id, codec.DefaultProtocol), 0
	for i := range f.out.n {
		var p codec.Packet
		if err := decoder.Decode(f.out.slab[i][:f.out.sizes[i]], &p); err != nil {
			t.Fatal(err)
		}
		plain, err := f.peers[2].keys.Open(&p.Nonce, p.Message, p.AD)
		if err != nil {
			t.Fatal(err)
		}
		var m codec.Nodes
		if err := m.Decode(plain[1:]); err != nil {
			t.Fatal(err)
		}
		for rest := m.Records; len(rest) > 0; records++ {
			if _, rest, err = codec.SplitRecord(rest); err != nil {
				t.Fatal(err)
			}
		}
	}
	if records != maxNodes {
		t.Errorf("FINDNODE is answered with %d records, want %d", records, maxNodes)
	}
}

// BenchmarkHandler measures the handling of an opened message, until its response is sealed.
func BenchmarkHandler(b *testing.B) {
	f := newBenchEngine(b, 1)
	ping := codec.Ping{RequestID: benchID(1), RecordSeq: benchSeq}
	list, _, err := codec.NewDistances(nil, []uint{codec.MaxDistance})
	if err != nil {
		b.Fatal(err)
	}
	find := codec.FindNode{RequestID: benchID(1), Distances: list}
	talk := codec.TalkRequest{RequestID: benchID(1), Protocol: []byte("nobody"), Payload: make([]byte, 100)}
	from := &f.peers[0]
	k := session.MakeKey(from.addr, &from.id)
	p := peer{from: from.addr, key: &k, hash: f.e.sessions.Hash(&k), id: &from.id, nonce: new(codec.Nonce), keys: session.NewKeys(new([aead.KeySize]byte), new([aead.KeySize]byte))}
	p.keys.SetRecordSeq(benchSeq)
	for _, c := range []struct {
		name    string
		message []byte
		answers int
	}{{"ping", ping.Append(nil), 1}, {"findnode", find.Append(nil), 4}, {"talk", talk.Append(nil), 1}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			f.w.Begin(f.now)
			before, runs := f.out.n, 0
			for b.Loop() {
				f.w.dispatch(&p, c.message)
				runs++
			}
			if got := f.out.n - before; got != c.answers*runs {
				b.Fatalf("%d datagrams for %d requests, want %d each", got, runs, c.answers)
			}
		})
	}
}
