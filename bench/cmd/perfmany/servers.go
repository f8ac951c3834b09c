package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"

	"github.com/fastdisc/discv5/bench/internal/foreign"
	"github.com/fastdisc/discv5/bench/internal/manypeers"
	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/table"
)

const (
	interopDir = "../interop"

	ownWindow = 512
	ownBurst  = 256
	// foreignPeers is what fits into a session cache of 1,000, with the nodes of the table.
	foreignPeers = 900
	// smallWindow is what fits into a socket buffer of the system's default size.
	smallWindow = 32
	// handshakeWindow is how many handshakes are under way with this node.
	handshakeWindow = 64
	roomForSessions = 1 << 17
)

// bench is one run.
type bench struct {
	options
	lab                  *manypeers.Lab
	driverCPU, serverCPU int
	key                  string   // of all servers
	tableKeys            []string // of the nodes that fill tables
	peers                []manypeers.Peer
	servers              []*server
	closers              []func()
	report               results.ManyPeers
}

// server is a server with its traffic.
type server struct {
	name    string
	child   *serve.Child // nil: XDP itself
	link    *manypeers.Link
	peers   []manypeers.Peer
	window  int
	loads   map[manypeers.Workload]*manypeers.Load
	traffic map[manypeers.Workload]manypeers.Traffic
}

func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (b *bench) close() {
	for i := len(b.closers) - 1; i >= 0; i-- {
		b.closers[i]()
	}
}

// setUp starts the servers, and makes the sessions and the requests.
func (b *bench) setUp() (err error) {
	if err := b.makeKeys(); err != nil {
		return err
	}
	if b.peers, err = manypeers.NewPeers(b.options.peers); err != nil {
		return err
	}
	var own *server
	for _, x := range []struct{ name, mode string }{{results.Own, ""}, {results.OwnNative, "native"}, {results.OwnGeneric, "generic"}} {
		s, err := b.startOwn(x.name, x.mode)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		if own == nil {
			own = s
		}
		if few := min(len(b.peers), foreignPeers); x.mode == "native" && few < len(b.peers) {
			same := &server{name: results.OwnFew, child: s.child, link: s.link, peers: s.peers[:few], window: s.window}
			if err := b.load(same, s.traffic); err != nil {
				return err
			}
		}
	}
	for _, x := range []struct{ name, kind string }{
		{results.BareEcho, serve.KindBareEcho}, {results.NodeEcho, serve.KindEcho}, {results.XDPEcho, serve.KindXDPEcho}, {results.XDPReturn, ""},
	} {
		if err := b.startEcho(x.name, x.kind, own); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
	}
	if b.noForeign {
		for _, name := range []string{results.Geth, results.Rust, results.TypeScript} {
			b.skip(name, "-nogeth")
		}
		return nil
	}
	if err := b.startForeign(results.Geth, func(k *manypeers.Link, table []string) (*serve.Child, error) {
		return serve.Start(serve.Spec{Kind: serve.KindGeth, Key: b.key, Listen: k.Addr.String(), Bootnodes: table}, b.serverCPU)
	}); err != nil {
		b.skip(results.Geth, err.Error())
	}
	for _, x := range []struct {
		name  string
		build func(string) (foreign.Program, error)
	}{{results.Rust, foreign.Rust}, {results.TypeScript, foreign.TypeScript}} {
		b.logf("%s: build", x.name)
		p, err := x.build(interopDir)
		if err == nil {
			err = b.startForeign(x.name, func(k *manypeers.Link, table []string) (*serve.Child, error) {
				child, err := serve.StartForeignAt(k.Addr, x.name, p.Argv, b.key, b.serverCPU)
				if err != nil {
					return nil, err
				}
				for _, r := range table {
					_ = child.Add(r) // the answer to FINDNODE tells how many it took
				}
				return child, nil
			})
		}
		if err != nil {
			b.skip(x.name, err.Error())
		}
	}
	return nil
}

func (b *bench) skip(name, why string) {
	b.logf("%s is left out: %s", name, why)
	b.report.Skipped = append(b.report.Skipped, results.Skipped{Name: name, Why: why})
}

// makeKeys makes a key for the servers, and keys of nodes that all lie in its farthest bucket.
func (b *bench) makeKeys() error {
	var self enr.ID
	for len(b.tableKeys) < table.DefaultBucketSize {
		k, err := enr.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		secret := k.Bytes()
		text := hex.EncodeToString(secret[:])
		if b.key == "" {
			self, b.key = k.ID(), text
		} else if enr.LogDistance(self, k.ID()) == codec.MaxDistance {
			b.tableKeys = append(b.tableKeys, text)
		}
	}
	return nil
}

// start makes a link, and starts a server and the nodes of its table at its end.
func (b *bench) start(f func(k *manypeers.Link, table []string) (*serve.Child, error)) (k *manypeers.Link, child *serve.Child, err error) {
	if k, err = b.lab.Link(); err != nil {
		return nil, nil, err
	}
	err = k.Run(func() error {
		at := netip.AddrPortFrom(k.Addr.Addr(), 0)
		nodes, err := serve.Start(serve.Spec{Kind: serve.KindPeers, Peers: b.tableKeys, Listen: at.String()}, b.driverCPU)
		if err != nil {
			return err
		}
		b.closers = append(b.closers, func() { nodes.Close() })
		if child, err = f(k, nodes.Ready.Records); err == nil {
			b.closers = append(b.closers, func() { child.Close() })
		}
		return err
	})
	return k, child, err
}

// startOwn starts this node.
func (b *bench) startOwn(name, mode string) (*server, error) {
	k, child, err := b.start(func(k *manypeers.Link, table []string) (*serve.Child, error) {
		spec := serve.Spec{Kind: serve.KindNode, Key: b.key, Sessions: roomForSessions, Challenges: roomForSessions, Listen: k.Addr.String(), Bootnodes: table}
		if mode != "" {
			spec.XDP = k.Interface + "=" + mode
		}
		return serve.Start(spec, b.serverCPU)
	})
	if err != nil {
		return nil, err
	}
	return b.add(name, k, child, b.peers, ownWindow, handshakeWindow)
}

func (b *bench) startForeign(name string, f func(*manypeers.Link, []string) (*serve.Child, error)) error {
	k, child, err := b.start(f)
	if err != nil {
		return err
	}
	_, err = b.add(name, k, child, b.peers[:min(len(b.peers), foreignPeers)], smallWindow, smallWindow/4)
	return err
}

// add makes the sessions with a server.
func (b *bench) add(name string, k *manypeers.Link, child *serve.Child, peers []manypeers.Peer, window, shaking int) (*server, error) {
	b.logf("%s: %d handshakes", name, len(peers))
	traffic, err := k.Handshakes(peers, child.Ready.Records[0], shaking, table.DefaultBucketSize)
	if err != nil {
		return nil, err
	}
	s := &server{name: name, child: child, link: k, peers: peers, window: window}
	return s, b.load(s, traffic)
}

// load prepares the requests to a server.
func (b *bench) load(s *server, traffic map[manypeers.Workload]manypeers.Traffic) error {
	s.loads, s.traffic = make(map[manypeers.Workload]*manypeers.Load), make(map[manypeers.Workload]manypeers.Traffic)
	for w, t := range traffic {
		l, err := s.link.Load(s.peers, t)
		if err != nil {
			return err
		}
		s.loads[w], s.traffic[w] = l, t
	}
	b.servers = append(b.servers, s)
	return nil
}

// startEcho starts a server without content, whose datagrams have the sizes of those of node. XDP
// itself can answer with the request alone.
func (b *bench) startEcho(name, kind string, node *server) error {
	k, err := b.lab.Link()
	if err != nil {
		return err
	}
	s := &server{name: name, link: k, peers: b.peers, window: ownWindow}
	traffic := make(map[manypeers.Workload]manypeers.Traffic)
	for w, t := range node.traffic {
		traffic[w] = t.Blank()
	}
	if kind == "" {
		stop, err := k.ServeInKernel()
		if err != nil {
			return err
		}
		b.closers = append(b.closers, stop)
		ping := traffic[manypeers.Ping]
		ping.Answers = []int{ping.Size}
		return b.load(s, map[manypeers.Workload]manypeers.Traffic{manypeers.Ping: ping})
	}
	spec := serve.Spec{Kind: kind, Listen: k.Addr.String()}
	if kind == serve.KindXDPEcho {
		spec.XDP = k.Interface + "=native"
	}
	if err := k.Run(func() (err error) { s.child, err = serve.Start(spec, b.serverCPU); return err }); err != nil {
		return err
	}
	b.closers = append(b.closers, func() { s.child.Close() })
	return b.load(s, traffic)
}
