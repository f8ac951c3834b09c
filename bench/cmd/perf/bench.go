package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/fastdisc/discv5/bench/internal/drive"
	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// target is a server under test with the socket that loads it.
type target struct {
	name     string
	child    *serve.Child
	client   *drive.Client // nil for the echo server
	socket   *drive.Socket
	sessions []drive.Session

	// strangers is the last lane that left challenges behind, and when: a server may have to look
	// through them.
	strangers *lane
	at        time.Time
}

// lane is one workload on one server.
type lane struct {
	*target
	requests *drive.Requests
	answers  []int
	either   []int // sizes of one datagram that may answer instead
	records  int   // node records in the answer
	took     int   // requests that the last slice took
	stranger bool  // requests come from nodes without a session
	fresh    bool  // each is sent at most once in the life of a challenge
	// the strangers of every slice are new ones: challenges of this server live longer
	renew  bool
	silent bool // it is not answered
}

// workload is what servers are compared in. The first lane is this node's, the second one's the
// echo server's.
type workload struct {
	name  string
	lanes []*lane
}

type bench struct {
	options
	cpus                 []int // that may be used
	serverCPU, driverCPU int
	load5                float64 // before the run

	keys                []string // of all servers
	node, single, large *target  // this node, by itself, without GSO, and with many sessions
	echo, geth          *target
	foreign             []*target
	peers               *serve.Child
	workloads           []*workload
	report              results.File
}

const (
	tablePeers     = 16 // a full bucket
	challengeSlots = 1 << 17
	freshStrangers = 1 << 15
	// challengeLife is after how long a stranger gets a new challenge.
	challengeLife = 1200 * time.Millisecond
	// foreignSessions is what fits into the session caches of the Rust and TypeScript nodes, of
	// 1,000, with their peers.
	foreignSessions  = 900
	foreignStrangers = 1 << 13
	// foreignWindow is what fits into a socket's buffer of the system's default size, which holds
	// some 40 datagrams of a segmented burst: they ask for none.
	foreignWindow     = 32
	foreignHandshakes = 8
	quickSessions     = 80
	// warmSessions are made before memory is looked at: first handshakes allocate what later ones
	// use again.
	warmSessions = 40
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

// connect makes sessions with a server that runs, and notes what they cost in time and memory.
func (b *bench) connect(name string, child *serve.Child, sessions int) (t *target, err error) {
	t = &target{name: name, child: child}
	if t.socket, err = drive.Dial(child.Addr); err != nil {
		return nil, err
	}
	if sessions == 0 {
		return t, nil
	}
	rec, err := enrOf(child)
	if err != nil {
		return nil, err
	}
	if t.client, err = drive.NewClient(t.socket, rec); err != nil {
		return nil, err
	}
	if child.Foreign() {
		t.client.Handshakes = foreignHandshakes
	}
	began := time.Now()
	var cpu time.Duration
	var memory [2]uint64
	for i, n := range []int{min(warmSessions, sessions), max(sessions-warmSessions, 0)} {
		before, err := child.Usage()
		if err != nil {
			return nil, err
		}
		made, err := t.client.Sessions(n, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		t.sessions = append(t.sessions, made...)
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
		Server: name, Sessions: max(sessions-warmSessions, 0), Before: memory[0], After: memory[1], Exact: name != results.TypeScript,
	})
	return t, nil
}

func enrOf(child *serve.Child) (*enr.Record, error) { return enr.ParseText(child.Ready.Records[0]) }

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
	messages := []struct {
		name    string
		message func(uint64) []byte
	}{
		{"ping", drive.Ping},
		{"findnode", func(n uint64) []byte { return drive.FindNode(n, codec.MaxDistance) }},
		{"talk", drive.Talk},
	}
	for _, m := range messages {
		if b.wanted(m.name) {
			if err := b.exchange(m.name, m.message, b.targets()...); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	if b.large != nil {
		if err := b.exchange("ping-many", drive.Ping, b.large); err != nil {
			return err
		}
	}
	size := len(b.node.client.Seal(nil, &b.node.sessions[0], drive.Ping(1)))
	answer := []int{codec.WhoareyouSize}
	for _, j := range []struct {
		name  string
		n     int
		fresh bool
	}{{"junk-repeated", b.few, false}, {"junk-new", freshStrangers, true}} {
		if !b.wanted(j.name) {
			continue
		}
		w := &workload{name: j.name}
		for _, t := range b.targets() {
			n := j.n
			if t.child.Foreign() {
				n = min(n, foreignStrangers)
			}
			l := &lane{
				target: t, requests: t.client.Random(n, size), answers: answer, stranger: true, fresh: j.fresh, renew: j.fresh && t.child.Foreign(),
			}
			if !j.fresh {
				again, err := t.repeats(size)
				if err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
				if !again {
					l.silent, l.answers = true, nil
				}
			}
			w.lanes = append(w.lanes, l)
		}
		b.add(w)
	}
	return nil
}

// repeats asks whether a server answers a stranger's second packet while it waits for a handshake.
func (t *target) repeats(size int) (bool, error) {
	r := t.client.Random(1, size)
	for range 2 {
		if err := t.socket.Drain(20 * time.Millisecond); err != nil {
			return false, err
		}
		if err := t.client.Send(r.Slab, size); err != nil {
			return false, err
		}
		n, err := t.client.Receive(500 * time.Millisecond)
		if err != nil {
			return false, err
		}
		if n == 0 || t.client.Size(0) != codec.WhoareyouSize {
			return false, nil
		}
	}
	return true, nil
}

// exchange adds a workload of requests within sessions.
func (b *bench) exchange(name string, message func(uint64) []byte, targets ...*target) error {
	w := &workload{name: name}
	for _, t := range targets {
		if t == nil {
			continue
		}
		a, err := b.settle(name, t, message(0))
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		w.lanes = append(w.lanes, &lane{target: t, requests: t.client.Requests(t.sessions, message), answers: a.Sizes, records: a.Records})
	}
	b.add(w)
	return nil
}

// settle asks until the answer is complete: a table needs a moment to fill. Other implementations
// may answer with fewer records.
func (b *bench) settle(name string, t *target, message []byte) (a drive.Answer, err error) {
	for range 60 {
		if a, err = t.client.Ask(&t.sessions[0], message); err != nil {
			return a, err
		}
		if a.Type != codec.TypeNodes || a.Records == tablePeers || t.child.Foreign() && a.Records > tablePeers/2 {
			return a, nil
		}
		time.Sleep(500 * time.Millisecond)
	}
	return a, fmt.Errorf("%d records in the answer, want %d", a.Records, tablePeers)
}

// add puts the echo server beside this node.
func (b *bench) add(w *workload) {
	node := w.lanes[0]
	echo := &lane{target: b.echo, requests: &drive.Requests{Size: node.requests.Size, Slab: node.requests.Slab}, answers: node.answers}
	w.lanes = append(w.lanes[:1], append([]*lane{echo}, w.lanes[1:]...)...)
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
	for _, t := range append([]*target{b.node, b.single, b.large, b.echo, b.geth}, b.foreign...) {
		if t != nil {
			t.socket.Close()
			t.child.Close()
		}
	}
	if b.peers != nil {
		b.peers.Close()
	}
	b.node, b.single, b.large, b.echo, b.geth, b.foreign, b.peers = nil, nil, nil, nil, nil, nil, nil
}
