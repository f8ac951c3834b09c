package fastpath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Names of the paths in Info.
const (
	PathBatch    = "recvmmsg" // recvmmsg(2) and sendmmsg(2)
	PathPortable = "portable" // one datagram per system call
)

// Group is all sockets of one address. Its methods are safe for concurrent use.
type Group struct {
	addr  netip.AddrPort
	socks []*socket
	conns []Conn
	info  Info

	locals *locals // nil if local addresses are not told
}

// Info describes the sockets and kernel features of a Group. It does not change, except for
// Accelerations.
type Info struct {
	Path       string // PathBatch or PathPortable
	PathReason string // why not PathBatch, empty otherwise

	Sockets         int    // sockets that were opened
	ReusePort       bool   // they share the address by SO_REUSEPORT
	ReusePortReason string // why not, although several sockets were asked for

	// FilterAttached says that the kernel drops datagrams of other sizes than those of the Config.
	// With GRO it checks only the smallest size, because it takes a GRO batch for one datagram.
	FilterAttached bool
	FilterReason   string // why not, empty otherwise

	// GSO says that neighbors in a Tx to one destination are sent as a GSO batch (UDP_SEGMENT)
	// where their sizes allow it: all have one size, except the last, which may be shorter, and at
	// most 1452 bytes, which nearly every path takes in one piece. The same datagrams arrive. A
	// socket disables GSO when the kernel rejects the batches: see ConnStats.GSORejected.
	GSO       bool
	GSOReason string // why not, empty otherwise

	// GRO says that GRO batches arrive whole (UDP_GRO) and are split here: those of senders on this
	// machine, and those that the kernel coalesces from datagrams of one sender that follow one
	// another closely.
	GRO       bool
	GROReason string // why not, empty otherwise

	// LocalAddrs says that Rx.Local tells the local address of each datagram. A group that is bound
	// to one address does not need it.
	LocalAddrs       bool
	LocalAddrsReason string // why not, empty otherwise

	// Buffer sizes in bytes, as asked for and as granted, per socket. 0 asked
	// means the default of the system; 0 got means unknown. Linux reports twice
	// what it grants, to have room for bookkeeping; here it is halved again.
	RecvBufferAsked, RecvBufferGot int
	SendBufferAsked, SendBufferGot int

	// DropSource names where ConnStats.KernelDrops come from: "SO_MEMINFO"
	// (read when asked for), "SO_RXQ_OVFL" (as of the last datagram received by
	// the recvmmsg path), or "none".
	DropSource string

	// Accelerations describes the interfaces on which an Accelerator receives for the group too. A
	// Group does not know them: discv5.Node.Sockets fills them in, with their state at that time.
	Accelerations []Acceleration
}

// String is one line for a log.
func (i Info) String() string {
	yes := func(ok bool, reason string) string {
		switch {
		case ok:
			return "yes"
		case reason == "":
			return "no"
		}
		return "no (" + reason + ")"
	}
	path := i.Path
	if i.PathReason != "" {
		path += " (" + i.PathReason + ")"
	}
	line := fmt.Sprintf("path %s, sockets %d, reuseport %s, filter %s, gso %s, gro %s, local addresses %s, receive buffer %d of %d, send buffer %d of %d, drops by %s",
		path, i.Sockets, yes(i.ReusePort, i.ReusePortReason), yes(i.FilterAttached, i.FilterReason), yes(i.GSO, i.GSOReason), yes(i.GRO, i.GROReason), yes(i.LocalAddrs, i.LocalAddrsReason),
		i.RecvBufferGot, i.RecvBufferAsked, i.SendBufferGot, i.SendBufferAsked, i.DropSource)
	for _, a := range i.Accelerations {
		line += ", " + PathXDP + " " + a.String()
	}
	return line
}

// Listen opens the sockets of cfg. The error wraps ErrConfig when cfg is
// unusable, and otherwise that of the system. An address that another socket
// is bound to is an error, also when that socket would share it: the first
// socket is bound without SO_REUSEPORT, so a second node cannot take half of
// the datagrams of a first one unnoticed.
func Listen(cfg Config) (*Group, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Group{}
	if cfg.Sockets > 1 && !reusePortSpreads {
		g.info.ReusePortReason = "the system does not spread datagrams over sockets"
		cfg.Sockets = 1
	}
	if err := g.open(&cfg); err != nil {
		return nil, errors.Join(err, g.abandon())
	}
	return g, nil
}

// open binds the sockets and puts a Conn on each.
func (g *Group) open(cfg *Config) error {
	first, err := openSocket(cfg, cfg.Addr, false)
	if err != nil {
		return err
	}
	g.socks = append(g.socks, first)
	g.addr = first.local
	if cfg.Sockets > 1 {
		if err := enableReusePort(first); err != nil {
			g.info.ReusePortReason = err.Error()
		} else {
			g.info.ReusePort = true
		}
	}
	for g.info.ReusePort && len(g.socks) < cfg.Sockets {
		// A zone, which local lacks, must be the one that was asked for.
		next := netip.AddrPortFrom(cfg.Addr.Addr(), g.addr.Port())
		s, err := openSocket(cfg, next, true)
		if err != nil {
			return err
		}
		g.socks = append(g.socks, s)
	}
	g.connect(cfg)
	return nil
}

// describe fills in the rest of info from the first socket; all are alike.
func (g *Group) describe(cfg *Config) {
	o := &g.socks[0].opts
	g.info.Sockets = len(g.socks)
	g.info.FilterAttached, g.info.FilterReason = o.filter == "", o.filter
	g.info.GSO, g.info.GSOReason = o.gso == "", o.gso
	g.info.GRO, g.info.GROReason = o.gro == "", o.gro
	g.info.LocalAddrs, g.info.LocalAddrsReason = o.local == "", o.local
	g.info.RecvBufferAsked, g.info.RecvBufferGot = cfg.RecvBuffer, o.recvGot
	g.info.SendBufferAsked, g.info.SendBufferGot = cfg.SendBuffer, o.sendGot
	g.info.DropSource = o.dropSource
}

// Addr is the address that all sockets are bound to, without zone, with the
// port that was chosen.
func (g *Group) Addr() netip.AddrPort { return g.addr }

// LocalAddr returns the IP address that a number of Rx.Local stands for: that of the group, if it
// is bound to one. It is invalid if there is no such number.
func (g *Group) LocalAddr(n Local) netip.Addr {
	if a := g.addr.Addr(); !a.IsUnspecified() {
		return a
	}
	return g.locals.addr(n)
}

// SetSystemAddr tells a group that listens at the wildcard that the host has only one address of
// the family, except link-local and loopback ones, so the system sends from it by default.
// Responses that leave from there are cheaper then. The invalid address revokes this.
func (g *Group) SetSystemAddr(a netip.Addr) {
	if g.locals != nil {
		g.locals.setSystemAddr(a)
	}
}

// Conns returns the sockets, at least one, in a slice of the caller's own.
func (g *Group) Conns() []Conn { return slices.Clone(g.conns) }

// Info describes the sockets and kernel features of the group.
func (g *Group) Info() Info { return g.info }

// Stats is the sum of the counters of all sockets, also after Close.
func (g *Group) Stats() ConnStats {
	var sum ConnStats
	for _, c := range g.conns {
		sum.Add(c.Stats())
	}
	return sum
}

// Close closes all sockets. Every ReadBatch returns ErrClosed. Closing twice is
// not an error.
func (g *Group) Close() error {
	var errs []error
	for _, c := range g.conns {
		errs = append(errs, c.Close())
	}
	return errJoin(errs)
}

// abandon closes the sockets of a group that could not be opened in whole.
func (g *Group) abandon() error {
	var errs []error
	for _, s := range g.socks {
		errs = append(errs, s.close())
	}
	return errJoin(errs)
}

// PathOther in Info stands for Conns that are not of this package.
const PathOther = "other"

// Use makes a group of sockets that are already open. They must have one local address, which is
// not a wildcard of both families. cfg is as for Listen, except Addr and Sockets, which follow from
// conns. The group owns the sockets from then on: nobody else may read from them, and Close closes
// them. On error only their options may have changed.
func Use(cfg Config, conns ...*net.UDPConn) (*Group, error) {
	if len(conns) == 0 {
		return nil, fmt.Errorf("%w: no socket", ErrConfig)
	}
	cfg.Sockets = len(conns)
	g := &Group{}
	for i, c := range conns {
		local, ok := c.LocalAddr().(*net.UDPAddr)
		if !ok {
			return nil, fmt.Errorf("%w: socket %d has no local address", ErrConfig, i+1)
		}
		cfg.Addr = netaddr.NormalizePort(local.AddrPort())
		checked, err := cfg.withDefaults()
		if err != nil {
			return nil, err
		}
		s := newSocket(&checked, cfg.Addr)
		s.udp, s.io = c, c
		if s.raw, err = c.SyscallConn(); err != nil {
			return nil, fmt.Errorf("fastpath: use socket %d: %w", i+1, err)
		}
		if i > 0 && cfg.Addr != g.addr {
			return nil, fmt.Errorf("%w: sockets of %v and %v", ErrConfig, g.addr, cfg.Addr)
		}
		if cfg.Addr.Addr().Is6() && cfg.Addr.Addr().IsUnspecified() && bothFamilies(s.raw) {
			return nil, fmt.Errorf(`%w: socket %d is of both families; listen on "udp4" or "udp6" instead of "udp"`, ErrConfig, i+1)
		}
		var optErr error
		if err := s.raw.Control(func(fd uintptr) { optErr = setOptions(fd, &checked, false, &s.opts) }); err != nil {
			return nil, fmt.Errorf("fastpath: use socket %d: %w", i+1, err)
		}
		if optErr != nil {
			return nil, fmt.Errorf("fastpath: use socket %d: %w", i+1, optErr)
		}
		s.local, g.addr = cfg.Addr, cfg.Addr
		setBuffers(s, &checked)
		g.socks = append(g.socks, s)
		cfg = checked
	}
	g.info.ReusePort = len(conns) > 1
	g.connect(&cfg)
	return g, nil
}

// connect makes a Conn for each socket.
func (g *Group) connect(cfg *Config) {
	g.info.Path, g.info.PathReason = PathBatch, batchReason(g.socks[0], cfg)
	if g.info.PathReason != "" {
		g.info.Path = PathPortable
	}
	for _, s := range g.socks {
		if s.opts.local == "" {
			s.opts.local = tellLocals(s)
		}
		if s.opts.local == "" && g.locals == nil {
			g.locals = newLocals()
		}
		s.locals = g.locals
		s.opts.gso = gsoReason(s, cfg, g.info.Path)
		s.opts.gro = groReason(s, cfg, g.info.Path)
		g.conns = append(g.conns, newConn(s, g.info.Path))
	}
	g.describe(cfg)
}

// GroupOf makes a group of Conns of another package, such as those of a simulated network. They
// must have one local address. Close closes them.
func GroupOf(conns ...Conn) (*Group, error) {
	if len(conns) == 0 {
		return nil, fmt.Errorf("%w: no Conn", ErrConfig)
	}
	g := &Group{addr: netaddr.NormalizePort(conns[0].LocalAddr()), conns: slices.Clone(conns)}
	for _, c := range conns {
		if a := netaddr.NormalizePort(c.LocalAddr()); a != g.addr || !a.IsValid() {
			return nil, fmt.Errorf("%w: Conns of %v and %v", ErrConfig, g.addr, a)
		}
	}
	g.info = Info{Path: PathOther, Sockets: len(conns), DropSource: "none", FilterReason: "not a socket of this package",
		GSOReason: "not a socket of this package", GROReason: "not a socket of this package",
		LocalAddrsReason: "not a socket of this package"}
	return g, nil
}

// errJoin joins the errors of closing several Conns, without ErrClosed.
func errJoin(errs []error) error {
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, ErrClosed) })...)
}
