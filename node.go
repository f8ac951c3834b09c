package discv5

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/monotime"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/virtual"
	"github.com/fastdisc/discv5/table"
)

// maxListen bounds the listen addresses of a node.
const maxListen = 16

// Node is a running node. Use New.
type Node struct {
	cfg    Config
	engine *engine.Engine
	clock  nodeClock
	// machine drives a simulated node; it is nil for others.
	machine virtual.Machine
	groups  []*fastpath.Group
	// accelerator receives for groups too; nil without Config.Accelerate.
	accelerator fastpath.Accelerator
	byFam       [2]int // the group that requests of a family go out from; -1 for none
	talk        talkServer
	follow      follower // of the machine's addresses

	requester requester // sends requests of the API
	other     otherSender
	otherVias *otherVias // nil without Config.OtherProtocol
	subs      subscribers

	log       eventLog
	saver     saver
	static    staticNodes
	callbacks callbacks

	state   atomic.Int32
	closing chan struct{}
	closeMu sync.Mutex
	loops   loops
	wg      sync.WaitGroup // of what a loop has started
	failure atomic.Pointer[error]
	unwatch func() bool // ends the wait for the end of Start's context; closeMu guards it

	unusable atomic.Pointer[[]Event] // bootnodes that cannot be contacted
	silenced atomic.Uint64           // datagrams; see Config.MaySend
}

// States of a node.
const (
	stateNew int32 = iota
	stateStarted
	stateClosed
)

// Errors of a node's methods. Use errors.Is to distinguish them.
var (
	ErrStarted = errors.New("discv5: node has been started already") // Start was called twice
	// a call that needs a running node came before Start
	ErrNotStarted = errors.New("discv5: node has not been started")
	// the node is closed, or was while the call waited
	ErrClosed = engine.ErrClosed
	// no answer came in Config.RequestTimeout
	ErrTimeout = engine.ErrTimeout
	// too many requests are under way, to one peer or to all: try later
	ErrBusy = engine.ErrBusy
	// the peer is this node itself
	ErrSelf = engine.ErrSelf
	// the message does not fit into a packet
	ErrTooLarge = engine.ErrTooLarge
	// Config.MaySend does not let the node send
	ErrSilenced = errors.New("discv5: node may not send")
	// the request needs a session, as the peer's key is not known, and there is none
	ErrNoSession = engine.ErrNoSession
	// the peer asked for a handshake that cannot be made
	ErrHandshake = engine.ErrHandshake
	// the peer has no address, or none that this node can send to, as the node has no socket of the
	// address's family
	ErrNoEndpoint = engine.ErrNoEndpoint
	// the peer has not answered, and has had the packets that such a peer may get
	ErrBudget = engine.ErrBudget
	// UpdateRecord was called by a function that it has called
	ErrNested = engine.ErrNested
	// UpdateRecord: the new record cannot be signed or saved
	ErrRecord = engine.ErrRecord
)

// New makes a node and opens its sockets. Its record is known then, and datagrams queue up until
// Start serves them. Callers must call Close, even for a node that they never start. If New fails,
// it closes the sockets and Conns of the Config.
//
// The first New of a process compares the cryptography with known answers; see [ErrSelfTest] and
// [ErrFIPS].
func New(cfg Config) (*Node, error) {
	n, err := newNode(cfg)
	if err != nil {
		cfg.closeGiven()
		return nil, err
	}
	return n, nil
}

func newNode(cfg Config) (*Node, error) {
	if err := selfTest(); err != nil {
		return nil, err
	}
	machine, err := cfg.machineOf()
	if err != nil {
		return nil, err
	}
	if machine != nil && cfg.PrivateKey == nil {
		if cfg.PrivateKey, err = enr.GenerateKey(machine.Random()); err != nil {
			return nil, errorf("discv5: new private key: %w", err)
		}
	}
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, machine: machine, closing: make(chan struct{}), byFam: [2]int{-1, -1}}
	n.clock = nodeClock{monotime.NewClock(), machine}
	n.log.init(n)
	if err := n.listen(); err != nil {
		return nil, err
	}
	if err := n.build(); err != nil {
		n.follow.close()
		n.closeSockets()
		return nil, err
	}
	return n, nil
}

// listen opens the sockets. If the Config names no address, it leaves out IPv6 where the system
// lacks it.
func (n *Node) listen() error {
	if err := n.adopt(); err != nil {
		n.closeSockets()
		return err
	}
	addrs, optional := n.cfg.ListenAddrs, false
	if len(addrs) == 0 && len(n.groups) == 0 {
		addrs = []netip.AddrPort{
			netip.AddrPortFrom(netip.IPv4Unspecified(), DefaultPort),
			netip.AddrPortFrom(netip.IPv6Unspecified(), DefaultPort),
		}
		optional = true
	}
	for _, a := range addrs {
		cfg := n.socketConfig()
		cfg.Addr, cfg.Sockets = a, n.cfg.Sockets
		g, err := fastpath.Listen(cfg)
		if err != nil {
			if optional && a.Addr().Is6() && len(n.groups) > 0 && !errors.Is(err, syscall.EADDRINUSE) {
				continue
			}
			n.closeSockets()
			return errorf("discv5: listen on UDP %s: %w", a, err)
		}
		n.addGroup(g)
	}
	if err := n.attachFilter(); err != nil {
		n.closeSockets()
		return err
	}
	if err := n.accelerate(); err != nil {
		n.closeSockets()
		return err
	}
	return nil
}

func (n *Node) addGroup(g *fastpath.Group) {
	if f := netaddr.FamilyOf(g.Addr().Addr()); n.byFam[f] < 0 {
		n.byFam[f] = len(n.groups)
	}
	n.groups = append(n.groups, g)
}

// adopt takes over the caller's sockets.
func (n *Node) adopt() error {
	if err := n.adoptPacketConns(); err != nil {
		return err
	}
	for i, c := range n.cfg.Conns {
		if c == nil {
			return fmt.Errorf("%w: Conn %d is nil", ErrConfig, i+1)
		}
		g, err := fastpath.GroupOf(c)
		if err != nil {
			return errorf("discv5: use Conn %d: %w", i+1, err)
		}
		n.addGroup(g)
	}
	return nil
}

// build makes the engine.
func (n *Node) build() error {
	n.follow.init(n)
	if n.cfg.OtherProtocol != nil {
		n.otherVias = newOtherVias()
	}
	if err := n.cfg.load(); err != nil {
		return err
	}
	named, err := n.follow.choose()
	if err != nil {
		return err
	}
	n.follow.own = named.end
	states := n.previousStates(&named)
	record, err := makeRecord(&n.cfg, named.end, n.timeNow())
	if err != nil {
		return err
	}
	n.callbacks.max, n.callbacks.spawn = n.cfg.MaxRequests, n.spawn
	n.talk.init(n, n.cfg.TalkConcurrency, n.cfg.TalkPerPeer)
	cfg := engine.Config{
		Key: n.cfg.PrivateKey, Record: record, Protocol: n.cfg.Protocol,
		IPv4: n.byFam[0] >= 0, IPv6: n.byFam[1] >= 0, LocalAddr: n.localAddr,
		Session:        session.Config{MaxSessions: n.cfg.MaxSessions, MaxChallenges: n.cfg.MaxChallenges, IdleTimeout: n.cfg.SessionIdleTimeout, KeepRecords: !n.cfg.DropSessionRecords},
		RequestTimeout: n.cfg.RequestTimeout, HandshakeTimeout: n.cfg.RequestTimeout,
		RefreshInterval: n.cfg.RefreshInterval,
		MaxLookups:      n.cfg.MaxLookups, MaxTasks: n.cfg.MaxTasks, Records: n.cfg.MaxRecords,
		MaxRequests: n.cfg.MaxRequests, MaxPeerRequests: n.cfg.MaxPeerRequests,
		Random: n.random(),
		Talk:   &n.talk, OnEvent: n.publish,
		DetectAddress: n.cfg.detectAddress(), ReachWait: n.cfg.ReachWait, ReachMisses: n.cfg.ReachMisses, ReachRetry: n.cfg.ReachRetry, Addresses: states,
	}
	if n.cfg.SaveRecord != nil || n.cfg.Store != nil {
		cfg.SaveRecord = n.saveRecord
	}
	if n.cfg.SourceFilter != nil {
		cfg.Peers = n.cfg.SourceFilter
	}
	cfg.LowPorts = n.cfg.LowPorts
	cfg.Resend, cfg.Table.InboundLimit = n.cfg.Resend, n.cfg.InboundLimit
	cfg.Table.BucketLimits, cfg.Table.TableLimits = n.cfg.BucketLimits, n.cfg.TableLimits
	cfg.ExemptPrivate, cfg.Public = n.cfg.ExemptPrivate, listensGlobal(&n.cfg, n.Addrs())
	cfg.Registrar = n.cfg.Topics.registrar()
	if n.cfg.TableFilter != nil {
		cfg.Table.Filter = func(t table.Node) bool { return n.passes(t.Record) }
	}
	if err := n.limit(&cfg); err != nil {
		return err
	}
	if n.machine != nil {
		n.machine.Configure(&cfg)
	}
	cfg.Table.Trusted = n.static.trusts
	if err := n.static.init(n); err != nil {
		return err
	}
	if n.engine, err = engine.New(cfg); err != nil {
		return errorf("discv5: %w", err)
	}
	// The engine knows which address of a record can be used.
	boot, unusable, err := n.usable(n.cfg.withSeeds(n.cfg.Bootnodes))
	if err != nil {
		return err
	}
	n.engine.SetBootnodes(boot)
	n.unusable.Store(&unusable)
	if c, ok := n.cfg.OtherProtocol.(*PacketConn); ok {
		c.bind(n)
	}
	if err := n.requester.init(n); err != nil {
		return err
	}
	return n.saver.init(n)
}

// Start begins to receive and to look for other nodes. When ctx ends the node is closed.
func (n *Node) Start(ctx context.Context) error {
	n.closeMu.Lock()
	defer n.closeMu.Unlock()
	switch n.state.Load() {
	case stateStarted:
		return ErrStarted
	case stateClosed:
		return ErrClosed
	}
	if n.machine != nil {
		if err := n.startStepped(); err != nil {
			return err
		}
		n.started(ctx)
		return nil
	}
	var loops []func(*loop)
	for i, g := range n.groups {
		for _, c := range g.Conns() {
			r, err := n.newReceiver(i, c)
			if err != nil {
				return err
			}
			loops = append(loops, r.run)
		}
	}
	for _, c := range n.sharedConns() {
		r, err := n.newSharedReceiver(c)
		if err != nil {
			return err
		}
		loops = append(loops, r.run)
	}
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		d, err := n.newWorkerLoop()
		if err != nil {
			return err
		}
		loops = append(loops, func(*loop) { d.runTasks() })
	}
	d, err := n.newWorkerLoop()
	if err != nil {
		return err
	}
	loops = append(loops, func(*loop) { d.runTicks() })
	if n.follow.active() {
		loops = append(loops, func(*loop) { n.follow.run() })
	}

	n.started(ctx)
	for _, f := range loops {
		n.start(f)
	}
	return nil
}

// started marks the node as running, until ctx ends.
func (n *Node) started(ctx context.Context) {
	n.state.Store(stateStarted)
	n.unwatch = context.AfterFunc(ctx, func() { n.Close() })
	n.log.start()
	if n.saver.store != nil {
		n.background(n.saver.run)
	}
	n.static.start()
	for _, e := range *n.unusable.Load() {
		n.publish(e)
	}
}

// Close stops the node: it closes the sockets and ends requests under way with ErrClosed. All
// goroutines of the node have ended when Close returns, except those that run a function of the
// program: a TALK handler, a filter, SaveRecord, OtherProtocol, or a function given to SendTalk.
// They end when that function returns, so such a function may call Close. Further calls do nothing.
func (n *Node) Close() error {
	if n.closedByOwn() {
		return nil
	}
	n.closeMu.Lock()
	defer n.closeMu.Unlock()
	if n.state.Swap(stateClosed) == stateClosed {
		return nil
	}
	n.log.say(slog.LevelInfo, "node closed")
	close(n.closing)
	if n.unwatch != nil {
		n.unwatch()
	}
	n.talk.close()
	n.follow.close()
	n.engine.Shut()
	if n.machine != nil {
		n.machine.Stop()
		if n.saver.store != nil {
			n.saver.save()
		}
	}
	err := n.closeSockets()
	n.loops.wait()
	n.wg.Wait()
	n.requester.close()
	n.subs.close()
	if c, ok := n.cfg.OtherProtocol.(*PacketConn); ok {
		c.Close()
	}
	return err
}

func (n *Node) closeSockets() error {
	var errs []error
	if n.accelerator != nil {
		errs = append(errs, n.accelerator.Close())
	}
	for _, g := range n.groups {
		if err := g.Close(); err != nil {
			errs = append(errs, err)
		}
	}
	if f := n.cfg.SourceFilter; f != nil {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// running returns nil while the node runs, else ErrNotStarted or ErrClosed.
func (n *Node) running() error {
	switch n.state.Load() {
	case stateNew:
		return ErrNotStarted
	case stateClosed:
		return ErrClosed
	}
	return nil
}

// Done is closed when the node is being closed.
func (n *Node) Done() <-chan struct{} { return n.closing }

// Err returns the reason why the node stopped receiving on one of its sockets although nobody
// closed it, and nil while all is well.
func (n *Node) Err() error {
	if p := n.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// ID returns the node ID.
func (n *Node) ID() enr.ID { return n.engine.ID() }

// LocalRecord returns the node's own record.
func (n *Node) LocalRecord() *enr.Record { return n.engine.Record() }

// UpdateRecord changes the node's own record. It passes the pairs of the current record to change,
// with a higher sequence number. Peers learn of the new record with the next PING or PONG. If
// change sets only values that the record has, there is no new record, and UpdateRecord does not
// call SaveRecord. On error the record stays as it was. Changes happen one after another: if change
// or SaveRecord calls UpdateRecord or SetEndpoint, that call fails with ErrNested.
func (n *Node) UpdateRecord(change func(*enr.Builder)) error {
	if err := n.engine.UpdateRecord(change); err != nil {
		return errorf("discv5: %w", err)
	}
	n.changed()
	return nil
}

// Addrs returns the addresses that the node listens on, with the ports that it got.
func (n *Node) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(n.groups))
	for i, g := range n.groups {
		addrs[i] = g.Addr()
	}
	return addrs
}

// Sockets describes the kernel features of each listen address, in one line each.
func (n *Node) Sockets() []fastpath.Info {
	list := make([]fastpath.Info, len(n.groups))
	for i, g := range n.groups {
		list[i] = g.Info()
		if n.accelerator != nil {
			list[i].Accelerations = n.accelerator.Accelerations()
		}
	}
	return list
}
