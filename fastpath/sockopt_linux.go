package fastpath

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// reusePortSpreads is true: since Linux 3.9 sockets with SO_REUSEPORT share the datagrams to their
// address by a hash over both endpoints.
const reusePortSpreads = true

// batchReason returns why the fast path cannot be used, or "". recvmmsg is from Linux 2.6.33,
// sendmmsg from 3.0; sandboxes may refuse either.
func batchReason(s *socket, cfg *Config) string {
	if cfg.Portable {
		return "disabled"
	}
	reason := "socket is closed"
	_ = s.raw.Control(func(fd uintptr) { reason = probeBatch(fd) })
	return reason
}

// probeBatch makes both calls with no entries: they send and receive nothing.
func probeBatch(fd uintptr) string {
	var h mmsghdr
	if _, e := sendmmsg(fd, &h, 0); e != 0 {
		return fmt.Sprintf("sendmmsg: %v", e)
	}
	if _, e := recvmmsg(fd, &h, 0); e != 0 && e != unix.EAGAIN {
		return fmt.Sprintf("recvmmsg: %v", e)
	}
	return ""
}

func newConn(s *socket, path string) Conn {
	if path == PathBatch {
		return newMmsgConn(s)
	}
	return newPortableConn(s)
}

// enableReusePort lets further sockets share the address of one that was bound
// without SO_REUSEPORT, and so is known to be the first there. (Bound with it,
// a socket that lets the kernel choose a port may be given that of another
// group of the same user.)
func enableReusePort(s *socket) error {
	var err error
	if cerr := s.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); cerr != nil {
		return cerr
	}
	return err
}

// setOptions prepares a socket that is not bound yet.
func setOptions(fd uintptr, cfg *Config, reusePort bool, o *sockOptions) error {
	if reusePort {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return fmt.Errorf("SO_REUSEPORT: %w", err)
		}
	}
	// The net package allows broadcasts. No peer has such an address.
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0); err != nil {
		return fmt.Errorf("SO_BROADCAST: %w", err)
	}
	dropErrorQueue(fd, cfg.Addr.Addr().Is4())
	if !cfg.Addr.Addr().Is4() {
		// Linux hashes each datagram for its flow label, which takes 3 % of the time of an answer.
		// Routers spread datagrams by addresses and ports too. Linux before 4.2 has no such option.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_AUTOFLOWLABEL, 0)
	}
	resetOffloads(fd)
	o.local, o.pathMTU = localReason(fd, cfg), pathMTUReason(fd, cfg)
	preferStable(fd, cfg)
	o.filter = filterReason(fd, cfg)
	o.dropSource = chooseDropSource(fd)
	if cfg.Portable && o.dropSource == dropsByControl {
		o.dropSource = dropsUnknown // the portable path reads no control messages
	}
	return nil
}

// dropErrorQueue disables IP_RECVERR on the socket, whose previous owner may have set it. An unread
// error queue would fill the receive buffer until nothing arrives, and a pending error would fail
// the next send. Disabling the option also empties the queue. Systems that do not know it have no
// such queue.
func dropErrorQueue(fd uintptr, v4 bool) {
	level, option := unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	if v4 {
		level, option = unix.IPPROTO_IP, unix.IP_RECVERR
	}
	_ = unix.SetsockoptInt(int(fd), level, option, 0)
}

// resetOffloads clears the options that the previous owner of a socket may have set: GSO for
// everything it sends, GRO, and control messages that would take the room of the GRO message. A GRO
// batch without its control message looks like one datagram.
func resetOffloads(fd uintptr) {
	for _, o := range [][2]int{
		{unix.IPPROTO_UDP, unix.UDP_SEGMENT}, {unix.IPPROTO_UDP, unix.UDP_GRO},
		{unix.SOL_SOCKET, unix.SO_TIMESTAMP}, // and SO_TIMESTAMPNS
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPING}, {unix.SOL_SOCKET, unix.SO_RCVMARK},
	} {
		// a system that does not know it does none of that
		_ = unix.SetsockoptInt(int(fd), o[0], o[1], 0)
	}
}

// filterReason attaches the socket filter, or returns why there is none.
func filterReason(fd uintptr, cfg *Config) string {
	if cfg.DisableFilter {
		return "disabled"
	}
	if cfg.MinSize == 0 && cfg.MaxSize == MaxDatagram {
		return "every size is accepted"
	}
	if err := attachFilter(fd, cfg.MinSize, cfg.MaxSize); err != nil {
		return fmt.Sprintf("SO_ATTACH_FILTER: %v", err)
	}
	return ""
}

// setBuffers asks for the buffer sizes, and reads back what was granted.
func setBuffers(s *socket, cfg *Config) {
	_ = s.raw.Control(func(fd uintptr) {
		s.opts.recvGot = setBuffer(int(fd), cfg.RecvBuffer, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
		s.opts.sendGot = setBuffer(int(fd), cfg.SendBuffer, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	})
}

// setBuffer sets one buffer size, if not 0, and returns what it is then. The
// forced form passes the limit in net.core but needs CAP_NET_ADMIN.
func setBuffer(fd, size, force, plain int) int {
	if size > 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size)
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, plain)
	if err != nil {
		return 0
	}
	return got / 2
}

// bothFamilies reports whether an IPv6 socket receives IPv4 too.
func bothFamilies(raw syscall.RawConn) (both bool) {
	_ = raw.Control(func(fd uintptr) {
		only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		both = err == nil && only == 0
	})
	return both
}

const (
	udpHeader = 8 // the filter of a UDP socket sees the datagram with its UDP header

	// keepAll is how much of a datagram the filter keeps: all of it. Lengths
	// are capped by 64 KiB, so any larger number does.
	keepAll = 0x40000
)

// lengthFilter is a program that passes payloads of lo to hi bytes.
func lengthFilter(lo, hi int) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(lo + udpHeader), SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(hi + udpHeader), SkipTrue: 1},
		bpf.RetConstant{Val: keepAll},
		bpf.RetConstant{Val: 0},
	}
}

// attachFilter makes the kernel drop payloads of other sizes than lo to hi.
// It needs no privilege.
func attachFilter(fd uintptr, lo, hi int) error {
	raw, err := bpf.Assemble(lengthFilter(lo, hi))
	if err != nil {
		return fmt.Errorf("assemble: %w", err)
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		prog[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
	runtime.KeepAlive(prog)
	return err
}

// The kernel counts drops per socket, and tells in two ways. SO_MEMINFO (Linux
// 4.12) reads the counter when asked and costs the data path nothing.
// SO_RXQ_OVFL (Linux 2.6.33) sends it along with each datagram once it is not
// zero. The first is preferred; the second is for kernels without it.
const (
	dropsByMeminfo = "SO_MEMINFO"
	dropsByControl = "SO_RXQ_OVFL"
	dropsUnknown   = "none"

	meminfoLen   = 9 // SK_MEMINFO_VARS, of 4 bytes each
	meminfoDrops = 8 // SK_MEMINFO_DROPS

	cmsgAlign = unix.SizeofPtr
	// of a message of 4 bytes
	cmsgSpace = (unix.SizeofCmsghdr+cmsgAlign-1)&^(cmsgAlign-1) + (4+cmsgAlign-1)&^(cmsgAlign-1)
)

// meminfo reads the drop counter.
func meminfo(fd uintptr) (uint32, bool) {
	var v [meminfoLen]uint32
	n := uint32(unsafe.Sizeof(v))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&n)), 0)
	return v[meminfoDrops], e == 0 && n == uint32(unsafe.Sizeof(v))
}

// chooseDropSource probes for the better way and turns on the other one if it
// has to.
func chooseDropSource(fd uintptr) string {
	if _, ok := meminfo(fd); ok {
		return dropsByMeminfo
	}
	if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1) == nil {
		return dropsByControl
	}
	return dropsUnknown
}

// poll reads the counter of an open socket, where it can be read.
func (d *dropCounter) poll(s *socket) {
	if s.opts.dropSource != dropsByMeminfo {
		return
	}
	_ = s.raw.Control(func(fd uintptr) {
		if v, ok := meminfo(fd); ok {
			d.update(v)
		}
	})
}

// findControl finds the control message of the given level and kind in b, and returns its 4 bytes.
// Lengths are compared with what is left, never added to, so none can overflow.
func findControl(b []byte, level, kind uint32) (uint32, bool) {
	const header = unix.SizeofCmsghdr
	for len(b) >= header {
		n := cmsgLen(b)
		if n < header || n > uint64(len(b)) {
			return 0, false
		}
		if cmsgKind(b) == kindOf(level, kind) && n >= header+4 {
			return binary.NativeEndian.Uint32(b[header:]), true
		}
		next := (n + cmsgAlign - 1) &^ (cmsgAlign - 1)
		if next >= uint64(len(b)) {
			return 0, false
		}
		b = b[next:]
	}
	return 0, false
}

// cmsgLen reads the length of a control message: a size_t, then level and type
// of 4 bytes each.
func cmsgLen(b []byte) uint64 {
	if cmsgAlign == 8 {
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}

// pathMTUReason prepares a socket for pathMTU, or says why it stays as the system has it.
func pathMTUReason(fd uintptr, cfg *Config) string {
	if !cfg.Addr.Addr().Is4() {
		return "not for IPv6"
	}
	// Linux 3.15 has the first
	for _, v := range []int{unix.IP_PMTUDISC_OMIT, unix.IP_PMTUDISC_DO} {
		if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, v); err != nil {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_WANT)
			return fmt.Sprintf("IP_MTU_DISCOVER: %v", err)
		}
	}
	return ""
}

// setPathMTU has the kernel heed the path MTUs that it has learned, or ignore them.
func (s *socket) setPathMTU(heed bool) bool {
	if heed {
		return s.raw.Control(heedPathMTU) == nil
	}
	return s.raw.Control(omitPathMTU) == nil
}

// Both options have been set before: see pathMTUReason.

func heedPathMTU(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
}

func omitPathMTU(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT)
}

// The kernel's socket addresses, as they lie in a RawSockaddrInet6. Family is
// in the byte order of the machine, ports and addresses in network order.
//
//	AF_INET   family:2 port:2 addr:4 zero:8                        16 bytes
//	AF_INET6  family:2 port:2 flowinfo:4 addr:16 scope:4           28 bytes

// sockaddrAddrPort reads an address that the kernel has written, n bytes long.
// It reports false for what is neither a whole IPv4 nor a whole IPv6 address.
// The scope of a link-local address is left out.
func sockaddrAddrPort(sa *unix.RawSockaddrInet6, n uint32) (netip.AddrPort, bool) {
	switch {
	case sa.Family == unix.AF_INET && n >= unix.SizeofSockaddrInet4:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), ntohs(sa4.Port)), true
	case sa.Family == unix.AF_INET6 && n >= unix.SizeofSockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), ntohs(sa.Port)), true
	}
	return netip.AddrPort{}, false
}

// putSockaddr writes a valid address that is not 4-in-6, and returns its length.
func putSockaddr(sa *unix.RawSockaddrInet6, a netip.AddrPort) uint32 {
	if a.Addr().Is4() {
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		*sa4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: ntohs(a.Port()), Addr: a.Addr().As4()}
		return unix.SizeofSockaddrInet4
	}
	*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: ntohs(a.Port()), Addr: a.Addr().As16()}
	return unix.SizeofSockaddrInet6
}

// ntohs turns a port from network order to that of the machine, or back.
func ntohs(p uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], p)
	return binary.BigEndian.Uint16(b[:])
}
