package simnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/ranges"
)

// NodeConfig says what a node is like. The zero value is one with a public IPv4 address that knows
// nobody.
type NodeConfig struct {
	// IPv4 and IPv6 give the node an address of the family; default IPv4. The network chooses the
	// addresses, with port 9000, unless Addrs names them.
	IPv4, IPv6 bool
	Addrs      []netip.AddrPort
	// NAT, if not nil, is what the IPv4 address is behind.
	NAT *NAT
	// Place is where the node is; by default the network chooses, or it is that of the NAT.
	Place Place
	// Key is the node's identity; by default one follows from the seed.
	Key *enr.PrivateKey
	// Bootnodes are the nodes that it starts from.
	Bootnodes []*Node
	// Record adds to the node's record. It is called once for each record that is made from
	// nothing: at the start, and at a restart without state.
	Record func(*enr.Builder)
	// Config changes the node's configuration, at the start and at each restart. It gets a
	// small one: room for 256 sessions, 64 challenges and 128 requests, and no rate limits, which
	// take 3 MiB for each node. A node whose addresses are all public does not let
	// its peers detect them.
	Config func(*discv5.Config)
	// New makes the node, at the start and at each restart; default discv5.New. It is where a
	// program that embeds the library registers TALK handlers or does whatever else it does with a
	// new node. The Config has the Conns that put the node on the network. A node that New has not
	// started is started afterwards.
	New func(discv5.Config) (*discv5.Node, error)
	// Tuning changes settings that discv5.Config does not have.
	Tuning Tuning

	engine  func(*engine.Config) // changes the configuration of the engine, at last
	hostile bool                 // the node breaks rules on purpose: it is not audited
}

// Tuning has the settings of the node table that discv5.Config leaves to the library. A field that
// is 0 stands for the default.
type Tuning struct {
	// RevalidateSlow is the first pause between two checks of a node that has answered. It grows up
	// to tenfold while the node keeps answering. Default: table.DefaultRevalidateSlow.
	RevalidateSlow time.Duration
	// Replacements is how many nodes wait for a place in a full bucket; negative for none. Default:
	// table.DefaultReplacements.
	Replacements int
}

// apply changes the configuration of an engine.
func (t Tuning) apply(c *engine.Config) {
	if t.RevalidateSlow != 0 {
		c.Table.RevalidateSlow = t.RevalidateSlow
	}
	if t.Replacements != 0 {
		c.Table.Replacements = t.Replacements
	}
}

// Node is a machine on a Network with a discv5 node on it. Make one with Network.Add.
type Node struct {
	n     *Network
	cfg   NodeConfig
	key   *enr.PrivateKey
	list  [2]port // by family: IPv4, IPv6; those without an address are not used
	index int     // in Network.nodes
	born  int     // number among all nodes ever made
	life  int     // starts so far

	machine atomic.Pointer[machine]     // nil while the node is down
	disc    atomic.Pointer[discv5.Node] // the running one, or the last one

	saved     atomic.Pointer[enr.Record] // the newest record: it survives a restart with state
	known     []*enr.Record              // of nodes, likewise
	addresses []discv5.AddressState      // likewise

	audit   *auditor
	highest uint64 // number of its records so far
}

// Add adds a node and starts it. It fails with ErrAddr, ErrAddrUsed or a *RangeError, or as
// discv5.New does.
func (n *Network) Add(cfg NodeConfig) (*Node, error) {
	if err := ranges.Within(cfg.Tuning.check(), ErrConfig, "Tuning"); err != nil {
		return nil, err
	}
	nd := &Node{n: n, cfg: cfg, born: n.made, index: -1}
	n.made++
	if err := nd.choose(); err != nil {
		return nil, fmt.Errorf("simnet: node %d: %w", nd.born, err)
	}
	if n.cfg.Audit > 0 && nd.born%n.cfg.Audit == 0 && !cfg.hostile {
		nd.audit = newAuditor(nd)
	}
	if err := n.attach(nd.ports()...); err != nil {
		return nil, fmt.Errorf("simnet: node %d: %w", nd.born, err)
	}
	if err := nd.start(false); err != nil {
		n.detach(nd.ports()...)
		return nil, fmt.Errorf("simnet: node %d: %w", nd.born, err)
	}
	nd.index = len(n.nodes)
	n.nodes = append(n.nodes, nd)
	return nd, nil
}

// choose fills in what the configuration leaves open.
func (nd *Node) choose() error {
	cfg, n := &nd.cfg, nd.n
	if nd.key = cfg.Key; nd.key == nil {
		var err error
		if nd.key, err = enr.GenerateKey(nd.random()); err != nil {
			return err
		}
	}
	place := n.place(cfg.Place, cfg.NAT)
	addrs := cfg.Addrs
	if len(addrs) == 0 {
		if cfg.IPv4 || !cfg.IPv6 {
			a, err := n.freeAddr(cfg.NAT)
			if err != nil {
				return err
			}
			addrs = append(addrs, netip.AddrPortFrom(a, nodePort))
		}
		if cfg.IPv6 {
			addrs = append(addrs, netip.AddrPortFrom(n.freeIPv6(), nodePort))
		}
	}
	for _, a := range addrs {
		p := &nd.list[netaddr.FamilyOf(a.Addr())]
		if p.addr.IsValid() {
			return fmt.Errorf("%w: %s and %s are of one family", ErrAddr, p.addr, a)
		}
		*p = port{addr: a, host: nd, place: place}
		if a.Addr().Is4() {
			p.nat = cfg.NAT
		}
	}
	return nil
}

// ports are the node's addresses.
func (nd *Node) ports() []*port {
	list := make([]*port, 0, 2)
	for i := range nd.list {
		if nd.list[i].addr.IsValid() {
			list = append(list, &nd.list[i])
		}
	}
	return list
}

// random is the node's source of randomness for this life.
func (nd *Node) random() *rand.ChaCha8 {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[0:], nd.n.cfg.Seed)
	binary.LittleEndian.PutUint64(seed[8:], uint64(nd.born))
	binary.LittleEndian.PutUint64(seed[16:], uint64(nd.life))
	return rand.NewChaCha8(seed)
}

// start makes a node on a new machine, from what was saved if it is asked to.
func (nd *Node) start(state bool) error {
	nd.life++
	m := nd.newMachine()
	conns := make([]fastpath.Conn, len(m.conns))
	for i, c := range m.conns {
		conns[i] = c
	}
	previous := nd.saved.Load()
	fresh := !state || previous == nil
	cfg := discv5.Config{
		PrivateKey: nd.key, Conns: conns, Bootnodes: nd.bootnodes(state), Unlimited: true,
		MaxSessions: 256, MaxChallenges: 64, MaxRequests: 128,
		SaveRecord: func(r *enr.Record) error { nd.saved.Store(r); return nil },
	}
	if !fresh {
		cfg.Previous, cfg.PreviousAddresses = previous, nd.addresses
	}
	if nd.cfg.NAT == nil {
		cfg.DetectAddress = -1
	}
	if nd.cfg.Config != nil {
		nd.cfg.Config(&cfg)
	}
	create := nd.cfg.New
	if create == nil {
		create = discv5.New
	}
	nd.machine.Store(m)
	disc, err := create(cfg)
	if err == nil {
		err = nd.launch(m, disc, fresh)
	}
	if err != nil {
		nd.machine.Store(nil)
	}
	return err
}

// launch starts a node that has been made.
func (nd *Node) launch(m *machine, disc *discv5.Node, fresh bool) error {
	if fresh && nd.cfg.Record != nil {
		if err := disc.UpdateRecord(nd.cfg.Record); err != nil {
			disc.Close()
			return err
		}
		m.made = disc.LocalRecord()
	}
	if err := disc.Start(context.Background()); err != nil && !errors.Is(err, discv5.ErrStarted) {
		disc.Close()
		return err
	}
	nd.disc.Store(disc)
	nd.saved.Store(disc.LocalRecord())
	nd.n.onLoop(func() { nd.n.audit.started(nd, m.made, fresh) })
	for _, c := range m.conns { // what arrived before
		for _, a := range c.drain() {
			nd.n.After(0, func() { m.receive(c, a.from, a.b) })
		}
	}
	return nil
}

// bootnodes are those that were configured and, after a restart with state, those that were known.
func (nd *Node) bootnodes(state bool) (list []discv5.Contact) {
	for _, b := range nd.cfg.Bootnodes {
		if r := b.Record(); b != nd && r.CheckUDP() == nil {
			list = append(list, discv5.Contacts(r)...)
		}
	}
	if !state {
		return list
	}
	for _, c := range discv5.Contacts(nd.known...) {
		list = append(list, c.Unvouched())
	}
	return list
}

func (nd *Node) listens(p *port) bool {
	m := nd.machine.Load()
	if m == nil {
		return false
	}
	c := m.conn(p)
	return c != nil && m.listens(c)
}

func (nd *Node) receive(p *port, from netip.AddrPort, b []byte) {
	if m := nd.machine.Load(); m != nil {
		m.receive(m.conn(p), from, b)
	}
}
