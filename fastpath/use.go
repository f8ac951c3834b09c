package fastpath

import (
	"errors"
	"fmt"
	"net"
	"slices"
)

// PathOther in Info stands for Conns that are not of this package.
const PathOther = "other"

// Use makes a group of sockets that are open already. They must have one local address, which is
// not a wildcard of both families. cfg is as for Listen, but for Addr and Sockets, which follow
// from conns. From then on the group owns the sockets: nobody else may read from them, and Close
// closes them. On error they stay as they were, but for their options.
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
		cfg.Addr = plainAddr(local.AddrPort())
		checked, err := cfg.withDefaults()
		if err != nil {
			return nil, err
		}
		s := newSocket(&checked, cfg.Addr)
		s.udp = c
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

// connect puts a Conn on each socket.
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
		s.opts.segments = segmentsReason(s, cfg, g.info.Path)
		s.opts.merge = mergeReason(s, cfg, g.info.Path)
		g.conns = append(g.conns, newConn(s, g.info.Path))
	}
	g.describe(cfg)
}

// GroupOf makes a group of Conns that somebody else has made, such as those of a simulated network.
// They must have one local address. Close closes them.
func GroupOf(conns ...Conn) (*Group, error) {
	if len(conns) == 0 {
		return nil, fmt.Errorf("%w: no Conn", ErrConfig)
	}
	g := &Group{addr: plainAddr(conns[0].LocalAddr()), conns: slices.Clone(conns)}
	for _, c := range conns {
		if a := plainAddr(c.LocalAddr()); a != g.addr || !a.IsValid() {
			return nil, fmt.Errorf("%w: Conns of %v and %v", ErrConfig, g.addr, a)
		}
	}
	g.info = Info{Path: PathOther, Sockets: len(conns), DropSource: "none", FilterReason: "not a socket of this package",
		SegmentsReason: "not a socket of this package", MergeReason: "not a socket of this package",
		LocalAddrsReason: "not a socket of this package"}
	return g, nil
}

// errJoin joins what closing several Conns said, without ErrClosed.
func errJoin(errs []error) error {
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, ErrClosed) })...)
}
