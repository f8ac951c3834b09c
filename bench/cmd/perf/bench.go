package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/fastdisc/discv5/bench/internal/drive"
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

	// strangers is the last lane that left challenges behind, and when: a server may have to look through them.
	strangers *lane
	at        time.Time
}

// lane is one workload on one server.
type lane struct {
	*target
	requests *drive.Requests
	answers  []int
	stranger bool // requests come from nodes without a session
	fresh    bool // each is sent at most once in the life of a challenge
}

// workload is what servers are compared in. The first lane is this node's, the second one's the echo server's.
type workload struct {
	name  string
	lanes []*lane
}

type bench struct {
	options
	serverCPU, driverCPU int

	node, large, echo, geth *target
	peers                   *serve.Child
	workloads               []*workload
	report                  report
}

const (
	tablePeers     = 16 // a full bucket
	challengeSlots = 1 << 17
	freshStrangers = 1 << 15
	// challengeLife is after how long a stranger gets a new challenge.
	challengeLife = 1200 * time.Millisecond
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
	boot := b.peers.Ready.Records
	room := serve.Spec{Kind: serve.KindNode, Key: keys[0], Sessions: 1 << 17, Challenges: challengeSlots, Bootnodes: boot}
	if b.node, err = b.start("discv5", room, b.few); err != nil {
		return err
	}
	if b.echo, err = b.start("echo", serve.Spec{Kind: serve.KindEcho}, 0); err != nil {
		return err
	}
	if !b.noGeth {
		if b.geth, err = b.start("go-ethereum", serve.Spec{Kind: serve.KindGeth, Key: keys[0], Bootnodes: boot}, b.few); err != nil {
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
	t := &target{name: name, child: child}
	if t.socket, err = drive.Dial(child.Addr); err != nil {
		return nil, err
	}
	if sessions == 0 {
		return t, nil
	}
	rec, err := enr.ParseText(child.Ready.Records[0])
	if err != nil {
		return nil, err
	}
	if t.client, err = drive.NewClient(t.socket, rec); err != nil {
		return nil, err
	}
	began := time.Now()
	before, err := child.Usage()
	if err != nil {
		return nil, err
	}
	t.sessions, err = t.client.Sessions(sessions, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	after, err := child.Usage()
	if err != nil {
		return nil, err
	}
	cpu := after.CPU - before.CPU
	b.logf("%s: %d handshakes in %.1f s, %.0f µs of CPU each", name, sessions, time.Since(began).Seconds(), micros(cpu)/float64(sessions))
	b.report.Handshakes = append(b.report.Handshakes, handshakes{name, sessions, micros(cpu) / float64(sessions)})
	return t, nil
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
			if err := b.exchange(m.name, m.message, b.node, b.geth); err != nil {
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
		for _, t := range []*target{b.node, b.geth} {
			if t != nil {
				w.lanes = append(w.lanes, &lane{
					target: t, requests: t.client.Random(j.n, size), answers: answer, stranger: true, fresh: j.fresh,
				})
			}
		}
		b.add(w)
	}
	return nil
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
		w.lanes = append(w.lanes, &lane{target: t, requests: t.client.Requests(t.sessions, message), answers: a.Sizes})
	}
	b.add(w)
	return nil
}

// settle asks until the answer is complete: a table needs a moment to fill.
func (b *bench) settle(name string, t *target, message []byte) (a drive.Answer, err error) {
	for range 60 {
		if a, err = t.client.Ask(&t.sessions[0], message); err != nil {
			return a, err
		}
		if a.Type != codec.TypeNodes || a.Records == tablePeers {
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

func (b *bench) close() {
	for _, t := range []*target{b.node, b.large, b.echo, b.geth} {
		if t != nil {
			t.socket.Close()
			t.child.Close()
		}
	}
	if b.peers != nil {
		b.peers.Close()
	}
}
