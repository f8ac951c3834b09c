package simnet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/session"
)

// NodeConfig says what a node is like. The zero value is one with a public IPv4 address that knows
// nobody.
type NodeConfig struct {
	// IPv4 and IPv6 say of which families the node has an address; default IPv4. The network gives
	// out the addresses, with port 9000, unless Addrs names them.
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
	// Record adds to the node's record, which names its public addresses by itself. It is called
	// once for each record that is made anew: at the start, and at a restart without state.
	Record func(*enr.Builder)
	// Engine changes the configuration of the engine, at the start and at each restart. What it is
	// given is complete and small: maps for 256 sessions, 64 challenges, 128 requests. A node whose
	// addresses are all public does not vote on them.
	Engine func(*engine.Config)
}

// Node is a discv5 node on a Network. Make one with Network.Add.
type Node struct {
	n     *Network
	cfg   NodeConfig
	key   *enr.PrivateKey
	list  [2]port // by family: IPv4, IPv6; those without an address are not used
	index int     // in Network.nodes
	born  int     // number among all nodes ever made
	life  int     // starts so far

	eng    *engine.Engine // nil while the node is down
	w      *engine.Worker
	config engine.Config
	saved  *enr.Record   // the newest record: what survives a restart with state
	known  []*enr.Record // of nodes, likewise

	offset    time.Duration // of the node's clock: network time less this
	lastTick  time.Duration // network time
	lastSweep time.Duration // likewise
	wakeAt    time.Duration // of the event in the heap that counts
	jobAt     time.Duration
	suspended bool
	stopped   time.Duration // what the clock shows while it stands still, else never
	started   time.Duration // network time of the last start
	talk      map[string]TalkFunc
	audit     *auditor
	highest   uint64 // number of its records so far
}

// Add adds a node and starts it. It fails with ErrAddr or ErrAddrUsed, or as engine.New does.
func (n *Network) Add(cfg NodeConfig) (*Node, error) {
	nd := &Node{n: n, cfg: cfg, born: n.made, index: -1}
	n.made++
	if err := nd.choose(); err != nil {
		return nil, fmt.Errorf("simnet: node %d: %w", nd.born, err)
	}
	if n.cfg.Audit > 0 && nd.born%n.cfg.Audit == 0 {
		nd.audit = newAuditor(nd)
	}
	for i, p := range nd.ports() {
		if err := n.attach(p); err != nil {
			for _, q := range nd.ports()[:i] {
				n.detach(q)
			}
			return nil, fmt.Errorf("simnet: node %d: %w", nd.born, err)
		}
	}
	if err := nd.start(false); err != nil {
		for _, p := range nd.ports() {
			n.detach(p)
		}
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
			addrs = append(addrs, netip.AddrPortFrom(n.freeAddr6(), nodePort))
		}
	}
	for _, a := range addrs {
		p := &nd.list[family(a.Addr())]
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

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
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

// newRecord makes a record with the public addresses. Its number follows from the time.
func (nd *Node) newRecord() (*enr.Record, error) {
	b := enr.NewBuilder().SetSeq(nd.n.wall())
	for _, p := range nd.ports() {
		if p.nat != nil {
			continue // peers tell, or nobody
		}
		if b.SetIP(p.addr.Addr()); p.addr.Addr().Is4() {
			b.SetUDP(p.addr.Port())
		} else {
			b.SetUDP6(p.addr.Port())
		}
	}
	if nd.cfg.Record != nil {
		nd.cfg.Record(b)
	}
	return b.Sign(nd.key)
}

// start makes a new engine, from what was saved if it is asked to.
func (nd *Node) start(state bool) error {
	nd.life++
	n, random := nd.n, nd.random()
	record, fresh := nd.saved, !state || nd.saved == nil
	if fresh {
		var err error
		if record, err = nd.newRecord(); err != nil {
			return err
		}
	}
	c := engine.Config{
		Key: nd.key, Record: record, IPv4: nd.list[0].addr.IsValid(), IPv6: nd.list[1].addr.IsValid(),
		Session:     session.Config{Capacity: 256, Challenges: 64, Shards: 1},
		MaxRequests: 128, Jobs: 64, RecordCache: n.records, Buffers: &n.buffers, Answers: &n.answers, Random: random,
		SaveRecord: func(r *enr.Record) error { nd.saved = r; return nil },
		Talk:       talker{nd},
	}
	if nd.cfg.NAT == nil {
		c.VoteMin = -1
	}
	if n.cfg.InsecureCurve {
		c.Curve = newHashCurve(nd.key)
	}
	if nd.cfg.Engine != nil {
		nd.cfg.Engine(&c)
	}
	eng, err := engine.New(c)
	if err != nil {
		return err
	}
	w, err := eng.NewWorker(outbox{nd}, 1)
	if err != nil {
		return err
	}
	nd.eng, nd.w, nd.config = eng, w, c
	n.audit.started(nd, record, fresh)
	nd.saved = record
	eng.SetBootnodes(nd.bootnodes(state))
	nd.offset, nd.started, nd.suspended, nd.stopped = n.now, n.now, false, never
	// Not all nodes tick at the same time.
	nd.lastTick, nd.wakeAt, nd.jobAt = n.now-time.Duration(random.Uint64()%uint64(TickInterval)), never, never
	nd.lastSweep = n.now
	nd.settle()
	return nil
}

// bootnodes are those that were configured and, after a restart with state, those that were known.
func (nd *Node) bootnodes(state bool) (list []engine.Peer) {
	for _, b := range nd.cfg.Bootnodes {
		if b == nd {
			continue
		}
		if p, err := nd.eng.PeerOf(b.Record()); err == nil {
			list = append(list, p)
		}
	}
	if !state {
		return list
	}
	for _, r := range nd.known {
		if p, err := nd.eng.PeerOf(r); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// outbox sends for a node's engine.
type outbox struct{ nd *Node }

// Buffer implements engine.Outbox.
func (o outbox) Buffer() []byte { return o.nd.n.next.buf[:] }

// Commit implements engine.Outbox. A host answers from the address of the family that it was asked
// at: it has one.
func (o outbox) Commit(size int, to netip.AddrPort, _ engine.Via) {
	nd, n := o.nd, o.nd.n
	from := &nd.list[family(to.Addr())]
	if !from.addr.IsValid() {
		return
	}
	if nd.audit != nil {
		nd.audit.sent(to, size)
	}
	p := n.next
	p.audit = nd.audit
	n.next = n.packet()
	n.send(p, size, from, netip.AddrPort{}, to)
}

func (nd *Node) listens() bool { return nd.Running() }

// receive takes in a datagram.
func (nd *Node) receive(from netip.AddrPort, b []byte) {
	if nd.audit != nil {
		nd.audit.before(from, b)
	}
	nd.w.Receive(nd.Clock(), from, b)
	if nd.audit != nil {
		nd.audit.after()
	}
	nd.settle()
}

// settle does what the engine has queued and sees to the next tick. It follows whatever was done
// with the engine.
func (nd *Node) settle() {
	if nd.eng == nil {
		return
	}
	n := nd.n
	if n.cfg.JobTime <= 0 {
		for w := nd.w; nd.w == w && w.RunJob(); {
		}
	} else if nd.jobAt == never && nd.eng.Jobs() > 0 {
		nd.jobAt = n.now + n.cfg.JobTime
	}
	if nd.eng == nil { // it was crashed by a function that the engine called
		return
	}
	nd.wake(min(nd.nextTick(), nd.jobAt))
}

// nextTick is when the engine is to be ticked next: on the grid, when it has something to do, or
// for housekeeping.
func (nd *Node) nextTick() time.Duration {
	due := nd.w.NextTick()
	if due < never/2 {
		due += nd.offset
	}
	due = max(min(due, nd.lastTick+Housekeeping), nd.n.now)
	steps := (due - nd.lastTick + TickInterval - 1) / TickInterval
	return nd.lastTick + max(steps, 1)*TickInterval
}

// wake makes an event at a time if there is none before. One that comes too early does no harm.
func (nd *Node) wake(at time.Duration) {
	if at < nd.wakeAt {
		nd.wakeAt = at
		nd.n.alarm(at, nd)
	}
}

// happen is the event of a node: a job is done, a tick is due, or it was woken too early.
func (nd *Node) happen(n *Network) {
	if n.now != nd.wakeAt { // another event has taken the place of this one
		return
	}
	nd.wakeAt = never
	if nd.eng == nil || nd.suspended {
		return
	}
	if nd.jobAt <= n.now {
		nd.jobAt = never
		nd.w.Begin(nd.Clock())
		nd.w.RunJob()
	}
	if nd.eng != nil && nd.nextTick() <= n.now {
		nd.tick()
	}
	nd.settle()
}

func (nd *Node) tick() {
	nd.lastTick = nd.n.now
	nd.w.Tick(nd.Clock())
	if nd.eng != nil && nd.n.now-nd.lastSweep >= SweepInterval {
		nd.lastSweep = nd.n.now
		nd.eng.Sessions().SweepAll(nd.Clock())
	}
	if nd.audit != nil && nd.eng != nil {
		nd.audit.ticked()
	}
}
