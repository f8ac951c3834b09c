package fastpath

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Local is the number of a local address of a [Group], in place of the address itself, which is
// larger. Numbers of different groups have nothing in common. The zero value stands for an address
// that is not known, and leaves the choice to the system.
type Local uint16

// MaxLocals bounds the local addresses that a group distinguishes. A host can have any number: a
// route of type local makes a whole prefix its own.
const MaxLocals = 1<<11 - 1

// boundToOne is why a socket does not tell local addresses if it has no need to.
const boundToOne = "bound to one address"

const (
	// localsAge is for how long a full table keeps an address at which nothing arrives.
	localsAge = 10 * time.Minute

	// localFailures is how many datagrams in a row may fail to leave from an address before the
	// system is asked whether it still has it.
	localFailures = 8
)

// locals is the table of the local addresses of a group. Readers take no lock.
type locals struct {
	list [MaxLocals + 1]atomic.Pointer[localEntry]
	// generation changes when entries have to be looked up in the table again: see localCache.
	generation atomic.Uint32

	mu     sync.Mutex
	byKey  map[localKey]Local
	free   []Local
	swept  time.Time  // when the entries were last marked as unused
	system netip.Addr // see setSystemAddr
}

type localKey struct {
	addr  netip.Addr // without zone
	index uint32     // of the interface, where the address alone does not say which; else 0
}

// localEntry is a local address. Only the flags change.
type localEntry struct {
	localKey
	control []byte // the control message that makes a datagram leave from here, padded
	length  int    // of control; without padding where the kernel takes it like that
	used    atomic.Bool
	gone    atomic.Bool // the system does not have the address
	system  atomic.Bool // the system chooses it by default
	failed  atomic.Uint32
}

func newLocals() *locals { return &locals{byKey: make(map[localKey]Local)} }

// entry returns the entry of a number, if a datagram to a peer needs its control message to leave
// from there. gone reports that the address is not there any more.
func (l *locals) entry(n Local, to netip.Addr) (e *localEntry, gone bool) {
	if l == nil || n > MaxLocals {
		return nil, true
	}
	if e = l.list[n].Load(); e == nil || e.length == 0 || e.gone.Load() {
		return nil, true
	}
	if e.system.Load() && !to.IsLoopback() {
		return nil, false
	}
	return e, false
}

// setSystemAddr notes that the system sends from a to all peers except those on the loopback
// interface. The invalid address revokes this.
func (l *locals) setSystemAddr(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.system == a {
		return
	}
	l.system = a
	for k, n := range l.byKey {
		l.list[n].Load().system.Store(k == localKey{addr: a})
	}
}

// addr returns the address of a number, invalid if there is none.
func (l *locals) addr(n Local) netip.Addr {
	if l == nil || n > MaxLocals {
		return netip.Addr{}
	}
	if e := l.list[n].Load(); e != nil {
		return e.addr
	}
	return netip.Addr{}
}

// number returns the number of an address at which a datagram has arrived, or 0 if the table is
// full.
func (l *locals) number(k localKey) Local {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.byKey[k]
	if ok {
		e := l.list[n].Load()
		e.used.Store(true)
		e.failed.Store(0)
		e.gone.Store(false)
		return n
	}
	if n = l.room(); n == 0 {
		return 0
	}
	e := &localEntry{localKey: k}
	e.used.Store(true)
	e.system.Store(k == localKey{addr: l.system})
	e.control = marshalLocal(k)
	e.length = localLength(e.control)
	l.list[n].Store(e)
	l.byKey[k] = n
	return n
}

// room returns an unused number. A full table gives up addresses at which nothing has arrived for
// localsAge, so that no flood to many addresses keeps a new one out for longer.
func (l *locals) room() Local {
	if len(l.byKey) < MaxLocals && len(l.free) == 0 {
		return Local(len(l.byKey) + 1)
	}
	if len(l.free) == 0 && time.Since(l.swept) > localsAge {
		l.swept = time.Now()
		for k, n := range l.byKey {
			if e := l.list[n].Load(); !e.used.Swap(false) {
				delete(l.byKey, k)
				l.free = append(l.free, n)
			}
		}
		l.generation.Add(1)
	}
	if k := len(l.free); k > 0 {
		n := l.free[k-1]
		l.free = l.free[:k-1]
		return n
	}
	return 0
}

// fail notes that a datagram could not leave from e, although it could from another address. If
// that repeats and the system does not have the address, e is not used until something arrives
// there.
func (l *locals) fail(e *localEntry) {
	if e.failed.Add(1)%localFailures != 0 {
		return
	}
	addr := e.addr
	if e.index != 0 && addr.Is6() {
		addr = addr.WithZone(strconv.FormatUint(uint64(e.index), 10))
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err == nil {
		c.Close()
		return
	}
	if !mayHaveGone(err) {
		return // such as a lack of descriptors
	}
	e.gone.Store(true)
	l.generation.Add(1)
}

// marshalLocal returns the control message that makes a datagram leave from k. It is empty on
// systems that have none.
func marshalLocal(k localKey) []byte {
	if k.addr.Is4() {
		return (&ipv4.ControlMessage{Src: k.addr.AsSlice(), IfIndex: int(k.index)}).Marshal()
	}
	return (&ipv6.ControlMessage{Src: k.addr.AsSlice(), IfIndex: int(k.index)}).Marshal()
}

// mayHaveGone reports whether err is what the system says of a datagram that is to leave from an
// address, or through an interface, which the host no longer has.
func mayHaveGone(err error) bool {
	var e syscall.Errno
	return errors.As(err, &e) && goneErrno(e)
}

func goneErrno(e syscall.Errno) bool {
	return e == syscall.EINVAL || e == syscall.EADDRNOTAVAIL || e == syscall.ENETUNREACH || e == syscall.ENODEV
}

// localCache finds the numbers of the addresses at which datagrams arrive without a lock. It
// belongs to one goroutine.
type localCache struct {
	of         *locals
	generation uint32
	missed     int // datagrams whose address has no number
	slots      [16]localSlot
}

type localSlot struct {
	hi, lo uint64 // the address as 16 bytes
	index  uint32
	local  Local // 0: the slot is empty
}

// reset prepares c for a batch from sockets of l.
func (c *localCache) reset(l *locals) {
	if l == nil {
		return
	}
	if g := l.generation.Load(); c.of != l || c.generation != g {
		*c = localCache{of: l, generation: g}
	}
}

// count adds the datagrams whose address has no number to those of a socket.
func (c *localCache) count(cnt *counters) {
	if c.missed > 0 {
		cnt.rx.unnumbered.Add(uint64(c.missed))
		c.missed = 0
	}
}

// find returns the number of the address with the given bytes and interface.
func (c *localCache) find(hi, lo uint64, index uint32) Local {
	if c.of == nil {
		return 0
	}
	s := &c.slots[(hi^lo^uint64(index))*0x9e3779b97f4a7c15>>60]
	if s.local != 0 && s.lo == lo && s.hi == hi && s.index == index {
		return s.local
	}
	k := localKey{addr: addrOf(hi, lo), index: index}
	if !sendable(k.addr) {
		c.missed++
		return 0
	}
	n := c.of.number(k)
	if n == 0 {
		c.missed++
	}
	*s = localSlot{hi, lo, index, n}
	return n
}

// sendable reports whether a datagram can leave from an address.
func sendable(a netip.Addr) bool { return !a.IsUnspecified() && !a.IsMulticast() }

// addrOf returns the address of 16 bytes, IPv4-mapped ones as IPv4.
func addrOf(hi, lo uint64) netip.Addr {
	var b [16]byte
	for i := range 8 {
		b[i], b[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
	return netip.AddrFrom16(b).Unmap()
}

// Prefixes of addresses in halves of 16 bytes.
const (
	mapped     = 0xffff << 32 // ::ffff:0:0/96, before an IPv4 address
	linkLocal6 = 0xfe80 << 48 // fe80::/10
	linkMask6  = 0xffc0 << 48
	linkLocal4 = mapped | 169<<24 | 254<<16 // 169.254.0.0/16
	linkMask4  = 1<<64 - 1<<16
)

// isLinkLocal reports whether 16 bytes are a link-local address.
func isLinkLocal(hi, lo uint64) bool {
	return hi&linkMask6 == linkLocal6 || hi == 0 && lo&linkMask4 == linkLocal4
}

// interfaceOf returns the interface that begins index if an answer has to name it: where one of the
// addresses has no meaning without it.
func interfaceOf(hi, lo uint64, from netip.AddrPort, index []byte) uint32 {
	if isLinkLocal(hi, lo) || from.Addr().IsLinkLocalUnicast() {
		return binary.NativeEndian.Uint32(index)
	}
	return 0
}
