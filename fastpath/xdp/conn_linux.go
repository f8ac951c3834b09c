package xdp

import (
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/fastpath"
)

// maxAnswer is the largest IP packet that leaves through an AF_XDP socket. The kernel knows the
// path MTU of each peer and this package does not, but no IPv6 path is narrower.
const maxAnswer = 1280

// group is a listen address of the node.
type group struct {
	addr              netip.AddrPort
	kernel            fastpath.Conn // the first socket of the system
	smallest, largest int           // payload
}

func newGroup(g *fastpath.Group) group {
	smallest, largest := g.Sizes()
	return group{g.Addr(), g.Conns()[0], smallest, largest}
}

// accepts reports whether a datagram to the given address is for g.
func (g *group) accepts(to netip.AddrPort) bool {
	a := g.addr.Addr()
	return g.addr.Port() == to.Port() && (a == to.Addr() || a.IsUnspecified() && a.Is4() == to.Addr().Is4())
}

// conn receives from one queue. It exists as long as the node; its socket comes and goes.
type conn struct {
	queue   int
	groups  []group
	finders []*fastpath.LocalFinder
	host    *atomic.Pointer[host]
	paths   *atomic.Pointer[provenPaths]

	mu       sync.Mutex // guards the fields below
	closed   bool
	deadline time.Time
	wake     chan struct{} // closed when one of the fields above or sock changes
	sock     *socket       // nil while the sockets of the system serve
	drops    uint64        // of former sockets
	origins  [batchSize]origin
	n        int // of origins
	at       int // index of the origin of the last answer
	samples  samples

	writeMu sync.Mutex // held by one WriteGroupBatch at a time
	slow    *fastpath.Tx
	left    []int // datagrams of a batch that leave through slow

	rx   *fastpath.Rx       // of the ReadBatch that runs
	look func(uintptr) bool // = collect

	count counters
}

// counters are the live form of fastpath.ConnStats.
type counters struct {
	rxDatagrams, rxBytes, rxBatches         atomic.Uint64
	txDatagrams, txBytes, txBatches         atomic.Uint64
	fallbacks                               atomic.Uint64
	truncated, short, long, badSource       atomic.Uint64
	malformed, badChecksum, foreign, closed atomic.Uint64
}

func newConn(queue int, groups []group, of []*fastpath.Group, h *atomic.Pointer[host], p *atomic.Pointer[provenPaths]) *conn {
	c := &conn{queue: queue, groups: groups, host: h, paths: p, wake: make(chan struct{}), left: make([]int, 0, fastpath.MaxBatch)}
	for _, g := range of {
		c.finders = append(c.finders, g.NewLocalFinder())
	}
	c.look = c.collect
	return c
}

// changed wakes a ReadBatch that waits without a socket. The caller holds mu.
func (c *conn) changed() {
	close(c.wake)
	c.wake = make(chan struct{})
}

// use makes s the socket of c.
func (c *conn) use(s *socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		s.close() // nobody reads it yet
		return
	}
	c.sock, c.n = s, 0
	if !c.deadline.IsZero() {
		_ = s.file.SetReadDeadline(c.deadline)
	}
	c.changed()
}

// drop closes the socket of c.
func (c *conn) drop() {
	c.mu.Lock()
	s := c.detach()
	c.mu.Unlock()
	if s != nil {
		s.close()
	}
}

// detach takes the socket from c and returns it, nil if there is none. The caller holds mu, and
// closes the socket after it has released mu: close waits for a goroutine in collect, which needs
// mu.
func (c *conn) detach() *socket {
	s := c.sock
	if s == nil {
		return nil
	}
	c.drops += s.drops()
	c.sock, c.n, c.samples = nil, 0, samples{}
	c.changed()
	return s
}

// broken returns the error that makes the socket useless, nil for none.
func (c *conn) broken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sock == nil {
		return nil
	}
	return c.sock.broken
}

// ReadBatch implements fastpath.Conn.
func (c *conn) ReadBatch(rx *fastpath.Rx) error {
	c.rx = rx
	for {
		rx.Reset()
		s, err := c.current()
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		err = s.raw.Read(c.look)
		switch {
		case err == nil && rx.Len() > 0:
			return nil
		case err == nil:
		case os.IsTimeout(err):
			rx.Reset()
			return os.ErrDeadlineExceeded
		default:
			c.retire(s)
		}
	}
}

// retire waits until s is replaced, after an error of the poller. Only drop makes the poller fail.
func (c *conn) retire(s *socket) {
	c.mu.Lock()
	wake, same := c.wake, c.sock == s && !c.closed
	c.mu.Unlock()
	if same {
		<-wake
	}
}

// current returns the socket. Without one it waits for a change, and returns nil after it.
func (c *conn) current() (*socket, error) {
	c.mu.Lock()
	s, wake, deadline, closed := c.sock, c.wake, c.deadline, c.closed
	c.mu.Unlock()
	if closed {
		return nil, fastpath.ErrClosed
	}
	if s != nil {
		return s, nil
	}
	if deadline.IsZero() {
		<-wake
		return nil, nil
	}
	wait := time.Until(deadline)
	if wait <= 0 {
		return nil, os.ErrDeadlineExceeded
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	}
	return nil, nil
}

// collect takes what the receive ring has. It returns false if it has nothing, so that the
// goroutine waits in the poller.
func (c *conn) collect(uintptr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sock
	if s == nil || c.closed {
		return true
	}
	k := min(s.received(), batchSize, c.rx.Cap())
	if k == 0 {
		return false
	}
	c.n, c.at = 0, 0
	h, paths, bytes := c.host.Load(), c.paths.Load(), 0
	for range k {
		bytes += c.deliver(s.next(), h, paths)
	}
	s.release()
	if n := c.n; n > 0 {
		c.count.rxDatagrams.Add(uint64(n))
		c.count.rxBytes.Add(uint64(bytes))
		c.count.rxBatches.Add(1)
		c.samples.add(&c.origins[0])
	}
	return true
}

// deliver passes the datagram of a frame to the Rx, notes its origin, and returns its size. It
// counts a datagram that it drops.
func (c *conn) deliver(f []byte, h *host, paths *provenPaths) int {
	o := &c.origins[c.n]
	b, bad := o.parse(f)
	switch {
	case bad == faultSource:
		c.count.badSource.Add(1)
		return 0
	case bad == faultChecksum:
		c.count.badChecksum.Add(1)
		return 0
	case bad != faultNone:
		c.count.malformed.Add(1)
		return 0
	case o.sender == h.mac || h.owns(o.from.Addr()):
		c.count.badSource.Add(1)
		return 0
	}
	at := -1
	for i := range c.groups {
		if c.groups[i].accepts(o.to) {
			at = i
			break
		}
	}
	switch {
	case at < 0 || o.target != h.mac: // to another host, or to an address that the host has lost
		c.count.foreign.Add(1)
		return 0
	case len(b) < c.groups[at].smallest:
		c.count.short.Add(1)
		return 0
	case len(b) > c.groups[at].largest:
		c.count.long.Add(1)
		return 0
	}
	o.group, o.local = uint8(at), c.finders[at].Find(o.to.Addr())
	if !c.rx.PushShared(b, o.from, at, o.local) {
		c.count.truncated.Add(1)
		return 0
	}
	if o.direct = paths.proven(o.sender); !o.direct {
		c.samples.suspect(o)
	}
	c.n++
	return len(b)
}

// WriteBatch implements fastpath.Conn.
func (c *conn) WriteBatch(tx *fastpath.Tx) error { return c.WriteGroupBatch(0, tx) }

// WriteGroupBatch implements fastpath.SharedConn.
func (c *conn) WriteGroupBatch(group int, tx *fastpath.Tx) error {
	if tx.Len() == 0 {
		return nil
	}
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	sent, err := c.answer(group, tx)
	if err != nil {
		c.count.closed.Add(uint64(tx.Len()))
		tx.Reset()
		return err
	}
	kernel := c.groups[group].kernel
	c.count.fallbacks.Add(uint64(tx.Len() - sent))
	if sent == 0 {
		return kernel.WriteBatch(tx)
	}
	defer tx.Reset()
	if len(c.left) == 0 {
		return nil
	}
	if c.slow == nil || c.slow.Size() < tx.Size() {
		c.slow = fastpath.NewTx(batchSize, tx.Size())
	}
	for _, i := range c.left {
		if c.slow.Full() {
			if err = kernel.WriteBatch(c.slow); err != nil {
				return err
			}
		}
		c.slow.CommitFrom(copy(c.slow.Buffer(), tx.Packet(i)), tx.Addr(i), tx.Local(i))
	}
	return kernel.WriteBatch(c.slow)
}

// answer sends the datagrams whose origin is known, and lists the others in left.
func (c *conn) answer(group int, tx *fastpath.Tx) (sent int, err error) {
	c.left = c.left[:0]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, fastpath.ErrClosed
	}
	s, bytes, limit := c.sock, 0, 0
	if s != nil {
		s.reap()
		limit = min(maxAnswer, c.host.Load().mtu)
	}
	for i := range tx.Len() {
		b := tx.Packet(i)
		o := c.originOf(uint8(group), tx.Addr(i), tx.Local(i))
		if o == nil || !o.direct || o.packetLen(len(b)) > limit {
			c.left = append(c.left, i)
			continue
		}
		f, at, ok := s.frame()
		if !ok {
			c.left = append(c.left, i)
			continue
		}
		s.queue(at, o.write(f, b))
		sent++
		bytes += len(b)
	}
	if sent > 0 {
		s.send()
		c.count.txDatagrams.Add(uint64(sent))
		c.count.txBytes.Add(uint64(bytes))
		c.count.txBatches.Add(1)
	}
	return sent, nil
}

// originOf returns how the peer's request in the last batch arrived, or nil. Answers leave in the
// order of the requests, so the search begins at the last one.
func (c *conn) originOf(group uint8, to netip.AddrPort, local fastpath.Local) *origin {
	for k, i := 0, c.at; k < c.n; k++ {
		o := &c.origins[i]
		if o.from == to && o.group == group && (local == 0 || local == o.local) {
			c.at = i
			return o
		}
		if i++; i == c.n {
			i = 0
		}
	}
	return nil
}

// SetReadDeadline implements fastpath.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fastpath.ErrClosed
	}
	c.deadline = t
	c.changed()
	if c.sock != nil {
		return c.sock.file.SetReadDeadline(t)
	}
	return nil
}

// LocalAddr implements fastpath.Conn. It is the address of group 0.
func (c *conn) LocalAddr() netip.AddrPort { return c.groups[0].addr }

// Stats implements fastpath.Conn.
func (c *conn) Stats() fastpath.ConnStats {
	c.mu.Lock()
	drops := c.drops
	if c.sock != nil {
		drops += c.sock.drops()
	}
	c.mu.Unlock()
	n := &c.count
	return fastpath.ConnStats{
		RxDatagrams: n.rxDatagrams.Load(), RxBytes: n.rxBytes.Load(), RxBatches: n.rxBatches.Load(),
		TxDatagrams: n.txDatagrams.Load(), TxBytes: n.txBytes.Load(), TxBatches: n.txBatches.Load(),
		Truncated: n.truncated.Load(), Short: n.short.Load(), Long: n.long.Load(), BadSource: n.badSource.Load(),
		SendErrors: fastpath.SendErrors{Closed: n.closed.Load()},
		// The kernel would have dropped these at a socket, and counted them there.
		KernelDrops: drops + n.malformed.Load() + n.badChecksum.Load() + n.foreign.Load(),
	}
}

// Close implements fastpath.Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return fastpath.ErrClosed
	}
	c.closed = true
	s := c.detach()
	c.changed()
	c.mu.Unlock()
	if s != nil {
		s.close()
	}
	return nil
}
