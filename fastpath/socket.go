package fastpath

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// socket is what both paths share: the bound socket, its limits, its counters.
type socket struct {
	udp      *net.UDPConn // closed if a waiter has taken the descriptor from it
	raw      syscall.RawConn
	io       endpoint
	owned    bool           // opened here, so that nobody else has udp
	local    netip.AddrPort // without zone
	v4       bool
	min, max int
	batch    int
	sendWait time.Duration
	opts     sockOptions
	cnt      counters
	locals   *locals // of the group; nil if local addresses are not told
	pathMTU  pathMTU
	// GSO batches that were rejected in a row; from maxRejections on, batches since then
	rejections atomic.Uint32

	mu     sync.Mutex // guards drops and closed
	drops  dropCounter
	closed bool
}

// endpoint is what reading waits in: a net.UDPConn or a waiter.
type endpoint interface {
	SetReadDeadline(t time.Time) error
	Close() error
}

// sockOptions says which options of one socket are set.
type sockOptions struct {
	recvGot, sendGot int    // bytes, as granted; 0 is unknown
	filter           string // empty: attached; else why not
	gso              string // empty: GSO batches are sent; else why not
	gro              string // empty: GRO batches arrive whole; else why not
	local            string // empty: each datagram tells its local address; else why not
	pathMTU          string // empty: as pathMTU says; else why not
	dropSource       string
}

func newSocket(cfg *Config, addr netip.AddrPort) *socket {
	return &socket{
		v4:       addr.Addr().Is4(),
		min:      cfg.MinSize,
		max:      cfg.MaxSize,
		batch:    cfg.Batch,
		sendWait: sendWait,
	}
}

// openSocket binds one socket of a group. Options that must hold before the
// first datagram arrives are set between socket(2) and bind(2).
func openSocket(cfg *Config, addr netip.AddrPort, reusePort bool) (*socket, error) {
	s := newSocket(cfg, addr)
	var optErr error
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if err := raw.Control(func(fd uintptr) {
			optErr = setOptions(fd, cfg, reusePort, &s.opts)
		}); err != nil {
			return err
		}
		return optErr
	}}
	pc, err := lc.ListenPacket(context.Background(), cfg.network(), addr.String())
	if err != nil {
		return nil, fmt.Errorf("fastpath: listen on %v: %w", addr, err)
	}
	udp, ok := pc.(*net.UDPConn)
	if !ok {
		pc.Close()
		return nil, fmt.Errorf("fastpath: listen on %v: not a UDP socket", addr)
	}
	s.udp, s.io, s.owned = udp, udp, true
	if s.raw, err = udp.SyscallConn(); err != nil {
		udp.Close()
		return nil, fmt.Errorf("fastpath: listen on %v: %w", addr, err)
	}
	s.local = netaddr.NormalizePort(udp.LocalAddr().(*net.UDPAddr).AddrPort())
	setBuffers(s, cfg)
	return s, nil
}

// sizeOK reports whether a datagram of n bytes is acceptable, and counts it if
// not. It repeats what the socket filter has done, where there is one.
func (s *socket) sizeOK(n int) bool {
	switch {
	case n < s.min:
		s.cnt.rx.short.Add(1)
	case n > s.max:
		s.cnt.rx.long.Add(1)
	default:
		return true
	}
	return false
}

// familyOK reports whether the socket can send to the given address at all.
// It is asked before the kernel is, whose answer differs between systems.
func (s *socket) familyOK(to netip.AddrPort) bool {
	a := to.Addr()
	return s.v4 && a.Is4() || !s.v4 && a.Is6()
}

func (s *socket) setReadDeadline(t time.Time) error {
	if err := s.io.SetReadDeadline(t); err != nil {
		return s.wrap("set deadline", err)
	}
	return nil
}

// stats reads the counters, with the drops of the kernel as of now.
func (s *socket) stats() ConnStats {
	st := s.cnt.stats()
	s.mu.Lock()
	if !s.closed {
		s.drops.poll(s)
	}
	st.KernelDrops = s.drops.total
	s.mu.Unlock()
	return st
}

// close closes the socket once, after a last look at the kernel's counter.
func (s *socket) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.drops.poll(s)
	s.closed = true
	if err := s.io.Close(); err != nil {
		return s.wrap("close", err)
	}
	return nil
}

// dropCounter makes a rising 64-bit count of the kernel's, which has 32 bits
// and wraps. It is right as long as fewer than 2^32 drops lie between updates.
type dropCounter struct {
	last  uint32
	total uint64
}

// update takes a reading.
func (d *dropCounter) update(v uint32) {
	d.total += uint64(v - d.last)
	d.last = v
}

// omitBatches is for how many batches a socket ignores path MTUs after one was in the way.
const omitBatches = 10_000

// pathMTU is how an IPv4 socket treats the path MTUs that the system has learned. Anybody can forge
// the ICMP message that they come from, so that no datagram is ever fragmented because of one:
//
//   - Datagrams leave with the DF bit, unfragmented (IP_PMTUDISC_DO). That is also what costs
//     least: Linux chooses no IP identification then, for which it keeps a table in memory.
//   - A datagram that is larger than the path MTU is refused. For a while all then leave without
//     the DF bit, whatever the path MTU (IP_PMTUDISC_OMIT): a router on a path that is narrow
//     indeed fragments them. This machine does so only if its own interface takes no more.
//
// IPv6 routers do not fragment. The system fragments to a path MTU that it has learned, in which it
// never believes below 1,280 bytes.
type pathMTU struct {
	left atomic.Uint32 // batches during which path MTUs are ignored
}

// ignore has s ignore path MTUs. It reports false where that cannot be done, or changes nothing.
func (p *pathMTU) ignore(s *socket) bool {
	if s.opts.pathMTU != "" || !s.setPathMTU(false) {
		return false
	}
	p.left.Store(omitBatches)
	s.cnt.tx.narrow.Add(1)
	return true
}

// batch counts a batch to be sent. After the last one path MTUs hold again.
func (p *pathMTU) batch(s *socket) {
	if n := p.left.Load(); n > 0 && p.left.CompareAndSwap(n, n-1) && n == 1 {
		s.setPathMTU(true)
	}
}
