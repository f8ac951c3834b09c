package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/load"
	"github.com/fastdisc/discv5/table"
)

// target is a server under test with the generator that loads it.
type target struct {
	name     string
	child    *serve.Child
	gen      *load.Generator
	sessions int

	// junk is the last entry that left challenges behind, and when: a server may have to look
	// through them.
	junk *entry
	at   time.Time
}

// entry is one workload on one server.
type entry struct {
	*target
	mix     load.Mix
	size    int   // of a request, in bytes
	answers []int // sizes of the datagrams that answer one
	records int   // node records in the answer
	took    int   // requests that the last slice took
	limit   int   // requests of a slice; 0: as many as it takes
	ids     int   // node IDs of junk, as load.Plan.JunkIDs; 0 for requests in sessions
	silent  bool  // it is not answered
	opens   bool  // its answers differ in size, so the generator opens them
}

// fresh reports whether each request of e has a node ID of its own.
func (e *entry) fresh() bool { return e.ids < 0 }

// workload is what servers are compared in. The first entry is this node's, the second one the
// echo server's.
type workload struct {
	name    string
	entries []*entry
}

type bench struct {
	options
	cpus                 []int // that may be used
	serverCPU, driverCPU int
	load5                float64 // before the run

	keys                []string // of all servers
	node, single, large *target  // this node, with GSO, without GSO, and with many sessions
	// registrars are this node as a registrar of topics, with and without GSO, and the echo, loaded
	// with registrations; queries are the same servers loaded with queries.
	registrars, queries []*target
	echo, geth          *target
	foreign             []*target
	peers               *serve.Child
	workloads           []*workload
	report              results.File
}

const (
	tablePeers     = table.DefaultBucketSize
	challengeSlots = 1 << 17
	freshJunk      = 1 << 15
	// challengeLife is the time after which an unknown sender gets a new challenge.
	challengeLife = 1200 * time.Millisecond
	// foreignSessions is what fits into the session caches of the Rust and TypeScript nodes, of
	// 1,000, with their peers.
	foreignSessions = 900
	foreignJunk     = 1 << 13
	// foreignWindow is what fits into a socket's buffer of the system's default size, which holds
	// some 40 datagrams of a segmented burst: they ask for none.
	foreignWindow     = 32
	foreignBurst      = 8
	foreignHandshakes = 8
	quickSessions     = 80
	// preparedSessions are made before memory is looked at: first handshakes allocate what later
	// ones use again.
	preparedSessions = 40
)

func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// setUp starts the servers, makes sessions and seals the requests.
func (b *bench) setUp() error {
	began := time.Now()
	keys, peerKeys, err := makeKeys()
	if err != nil {
		return err
	}
	if b.peers, err = serve.Start(serve.Spec{Kind: serve.KindPeers, Peers: peerKeys}, b.driverCPU); err != nil {
		return err
	}
	b.keys = keys
	boot := b.peers.Ready.Records
	room := serve.Spec{Kind: serve.KindNode, Key: keys[0], Sessions: 1 << 17, Challenges: challengeSlots, Bootnodes: boot}
	if b.node, err = b.start("discv5", room, b.few); err != nil {
		return err
	}
	single := room
	single.Single = true
	if b.single, err = b.start(results.Single, single, b.few); err != nil {
		return err
	}
	if b.echo, err = b.start("echo", serve.Spec{Kind: serve.KindEcho}, 0); err != nil {
		return err
	}
	b.served(results.Own, "this module", byRusage)
	b.served(results.Single, "this module, DisableGSO", byRusage)
	b.served(results.Echo, "package fastpath of this module", byRusage)
	if b.noGeth {
		for _, name := range []string{results.Geth, results.Rust, results.TypeScript} {
			b.skip(name, "-nogeth")
		}
	} else {
		if b.geth, err = b.start(results.Geth, serve.Spec{Kind: serve.KindGeth, Key: keys[0], Bootnodes: boot}, b.few); err != nil {
			return err
		}
		b.served(results.Geth, gethVersion(), byRusage)
		if err := b.startForeign(boot); err != nil {
			return err
		}
	}
	if b.many > 0 && b.wanted("ping-many") {
		room.Bootnodes = nil
		if b.large, err = b.start("discv5", room, b.many); err != nil {
			return err
		}
	}
	if b.wanted("regtopic") || b.wanted("topicquery") {
		if err := b.startRegistrars(room); err != nil {
			return err
		}
	}
	if err := b.plan(); err != nil {
		return err
	}
	b.logf("set up in %.0f s", time.Since(began).Seconds())
	return nil
}

// makeKeys makes a key for the servers and keys of peers that all lie in its farthest bucket.
func makeKeys() (server, peers []string, err error) {
	var self enr.ID
	for len(peers) < tablePeers {
		k, err := enr.GenerateKey(rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		text := func() string { s := k.Bytes(); return hex.EncodeToString(s[:]) }
		if server == nil {
			self, server = k.ID(), []string{text()}
		} else if enr.LogDistance(self, k.ID()) == codec.MaxDistance {
			peers = append(peers, text())
		}
	}
	return server, peers, nil
}

func (b *bench) start(name string, spec serve.Spec, sessions int) (*target, error) {
	child, err := serve.Start(spec, b.serverCPU)
	if err != nil {
		return nil, err
	}
	return b.connect(name, child, sessions)
}

// generator makes the load generator of a target. Requests leave from one socket.
func (b *bench) generator(child *serve.Child, c load.Config) (*load.Generator, error) {
	// Other implementations receive one datagram at a time too. With GRO, this node would not pay
	// for splitting its responses.
	c.DisableGRO = true
	c.Sockets, c.GSOBatch, c.Poll = 1, min(b.burst, fastpath.MaxSegments), !b.sleep
	c.Distances, c.TalkProtocol, c.TalkSize = []uint{codec.MaxDistance}, "bench", 32
	c.Target.Addr = child.Addr
	if len(c.Echo) == 0 {
		c.RepeatJunk = c.JunkIDs > 0
	}
	if child.Foreign() {
		c.PrepareWindow, c.GSOBatch = foreignHandshakes, min(c.GSOBatch, foreignBurst)
	}
	return load.New(c)
}

// sessionMix has all kinds of requests within sessions.
func sessionMix() load.Mix { return load.Mix{load.Ping: 1, load.FindNode: 1, load.Talk: 1} }

// connect makes sessions with a server that runs, and notes what they cost in time and memory.
func (b *bench) connect(name string, child *serve.Child, sessions int) (t *target, err error) {
	t = &target{name: name, child: child, sessions: sessions}
	if sessions == 0 {
		to, err := load.ParseTarget(b.node.child.Ready.Records[0], false)
		if err != nil {
			return nil, err
		}
		t.gen, err = b.generator(child, load.Config{Target: to, Mix: sessionMix(), Identities: b.few, Echo: []int{codec.MinPacketSize}})
		if err != nil {
			return nil, err
		}
		_, err = t.gen.Prepare(context.Background(), nil)
		return t, err
	}
	to, err := load.ParseTarget(child.Ready.Records[0], false)
	if err != nil {
		return nil, err
	}
	junk := b.few
	if child.Foreign() {
		junk = min(junk, foreignJunk)
	}
	if t.gen, err = b.generator(child, load.Config{Target: to, Mix: sessionMix(), Identities: sessions, JunkIDs: junk}); err != nil {
		return nil, err
	}
	began := time.Now()
	var cpu time.Duration
	var memory [2]uint64
	for i, n := range []int{min(preparedSessions, sessions), sessions} {
		before, err := child.Usage()
		if err != nil {
			return nil, err
		}
		if _, err := t.gen.PrepareUpTo(context.Background(), n, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		after, err := child.Usage()
		if err != nil {
			return nil, err
		}
		cpu += after.CPU - before.CPU
		if memory[i], err = resident(child); err != nil {
			return nil, err
		}
	}
	if name == results.Single { // the same program, which takes the same memory
		return t, nil
	}
	each := results.Micros(cpu) / float64(sessions)
	b.logf("%s: %d handshakes in %.1f s, %.0f µs of CPU each", name, sessions, time.Since(began).Seconds(), each)
	b.report.Handshakes = append(b.report.Handshakes, results.Setup{Server: name, Count: sessions, CPU: each})
	b.report.Memory = append(b.report.Memory, results.Memory{
		Server: name, Sessions: max(sessions-preparedSessions, 0), Before: memory[0], After: memory[1], Exact: name != results.TypeScript,
	})
	return t, nil
}

// resident is the memory of a server, without garbage where it can be told to free it.
func resident(child *serve.Child) (uint64, error) {
	if !child.Foreign() {
		if _, err := child.Do(serve.Command{Op: "free"}); err != nil {
			return 0, err
		}
	}
	u, err := child.Usage()
	return u.Resident, err
}

func (b *bench) wanted(name string) bool { return strings.HasPrefix(name, b.only) }

// plan makes the workloads.
func (b *bench) plan() error {
	for _, m := range []struct {
		name string
		kind load.Kind
	}{{"ping", load.Ping}, {"findnode", load.FindNode}, {"talk", load.Talk}} {
		if b.wanted(m.name) {
			if err := b.exchange(m.name, m.kind, b.targets()...); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	if err := b.planTopics(); err != nil {
		return err
	}
	if b.large != nil {
		if err := b.exchange("ping-many", load.Ping, b.large); err != nil {
			return err
		}
	}
	for _, j := range []struct {
		name       string
		limit, ids int
	}{{"junk-repeated", 0, b.few}, {"junk-new", freshJunk, -1}} {
		if !b.wanted(j.name) {
			continue
		}
		w := &workload{name: j.name}
		for _, t := range b.targets() {
			e := &entry{target: t, mix: load.Only(load.Junk), size: t.gen.PacketSize(load.Junk), answers: []int{codec.WhoareyouSize}, limit: j.limit, ids: j.ids}
			if t.child.Foreign() {
				e.limit, e.ids = min(e.limit, foreignJunk), min(e.ids, foreignJunk)
			}
			if !e.fresh() {
				retried, err := b.repeats(t)
				if err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
				if !retried {
					e.silent, e.answers = true, nil
				}
			}
			w.entries = append(w.entries, e)
		}
		b.add(w)
	}
	return nil
}

// repeats asks whether a server answers an unknown sender's second packet while it waits for a
// handshake.
func (b *bench) repeats(t *target) (bool, error) {
	g, err := b.generator(t.child, load.Config{Target: t.gen.Config().Target, Mix: load.Only(load.Junk), JunkIDs: 1, Timeout: 500 * time.Millisecond})
	if err != nil {
		return false, err
	}
	defer g.Close()
	r, err := g.Run(context.Background(), load.Plan{Window: 1, Requests: 2, For: 2 * time.Second})
	if err != nil {
		return false, err
	}
	return r.Total.Answered == 2, nil
}

// exchange adds a workload of requests within sessions.
func (b *bench) exchange(name string, kind load.Kind, targets ...*target) error {
	w := &workload{name: name}
	for _, t := range targets {
		if t == nil {
			continue
		}
		e := &entry{target: t, mix: load.Only(kind), size: t.gen.PacketSize(kind)}
		if err := e.settle(kind); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		w.entries = append(w.entries, e)
	}
	b.add(w)
	return nil
}

// settle asks until the answer is complete, and notes its form: a table needs a moment to fill.
// Other implementations may answer with fewer records.
func (e *entry) settle(kind load.Kind) error {
	for range 60 {
		var sizes []int
		r, err := e.gen.Run(context.Background(), load.Plan{
			Mix: e.mix, Window: 1, Requests: 1, For: 2 * time.Second, OnDatagram: func(n int) { sizes = append(sizes, n) },
		})
		if err != nil {
			return err
		}
		e.answers, e.records = sizes, int(r.Events.Records)
		switch {
		case r.Total.Answered == 0:
			return errSilent
		case r.Events.Asked > 0: // one of the datagrams is a request of the server's own
		case kind != load.FindNode || e.records == tablePeers || e.child.Foreign() && e.records > tablePeers/2:
			return nil
		}
		time.Sleep(500 * time.Millisecond)
	}
	return fmt.Errorf("%d records in the answer, want %d", e.records, tablePeers)
}

// errSilent: a server does not answer.
var errSilent = errors.New("server does not answer")

// add puts the echo server beside this node. It is sent requests of the same size, within sessions
// that it knows nothing of.
func (b *bench) add(w *workload) { b.addEcho(w, b.echo) }

// addEcho is add with an echo server of its own.
func (b *bench) addEcho(w *workload, by *target) {
	node := w.entries[0]
	echo := &entry{target: by, mix: node.mix, size: node.size, answers: node.answers, limit: node.limit}
	if echo.mix[load.Junk] > 0 {
		echo.mix = load.Only(load.Ping) // junk has its size
	}
	w.entries = append(w.entries[:1], append([]*entry{echo}, w.entries[1:]...)...)
	b.workloads = append(b.workloads, w)
}

// targets are the servers that have all workloads, this node first.
func (b *bench) targets() []*target {
	list := []*target{b.node, b.single}
	if b.geth != nil {
		list = append(list, b.geth)
	}
	return append(list, b.foreign...)
}

// close ends all servers. It may be called twice.
func (b *bench) close() {
	for _, t := range b.queries {
		if t.gen != nil {
			t.gen.Close() // their servers are those of the registrars
		}
	}
	for _, t := range slices.Concat([]*target{b.node, b.single, b.large, b.echo, b.geth}, b.foreign, b.registrars) {
		if t != nil {
			t.close()
		}
	}
	if b.peers != nil {
		b.peers.Close()
	}
	b.node, b.single, b.large, b.echo, b.geth, b.foreign, b.peers = nil, nil, nil, nil, nil, nil, nil
	b.registrars, b.queries = nil, nil
}
