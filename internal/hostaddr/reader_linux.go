package hostaddr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Constants of linux/rtnetlink.h and linux/if_addr.h that are missing in package syscall.
const (
	// RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE
	groups = 1 | 0x10 | 0x40 | 0x100 | 0x400

	ifaFlags       = 8 // the attribute IFA_FLAGS
	flagTemporary  = 0x01
	flagOptimistic = 0x04
	flagDADFailed  = 0x08
	flagDeprecated = 0x20
	flagTentative  = 0x40

	dumpInterrupted  = 0x10 // NLM_F_DUMP_INTR
	dumpTries        = 4
	netlinkBuffer    = 32 << 10
	maxDrained       = 1024 // largest number of messages that one Wait discards
	addrHeader       = 8    // struct ifaddrmsg
	dumpRequestBytes = syscall.NLMSG_HDRLEN + addrHeader
)

// Reader reads the addresses of the network namespace in which it was opened. It is safe for
// concurrent use.
type Reader struct {
	mu     sync.Mutex
	closed bool
	dump   int    // a netlink socket
	seq    uint32 // of the last request
	buf    []byte

	events *os.File // a netlink socket for change notifications
}

// Open returns a Reader. Close it after use.
func Open() (*Reader, error) {
	r := &Reader{dump: -1, buf: make([]byte, netlinkBuffer)}
	if err := r.open(); err != nil {
		r.Close()
		return nil, fmt.Errorf("watch the addresses of the machine: %w", err)
	}
	return r, nil
}

func (r *Reader) open() (err error) {
	if r.dump, err = netlink(0, 0); err != nil {
		return err
	}
	if err := syscall.SetsockoptTimeval(r.dump, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 1}); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	fd, err := netlink(syscall.SOCK_NONBLOCK, groups)
	if err != nil {
		return err
	}
	r.events = os.NewFile(uintptr(fd), "netlink")
	return nil
}

// netlink opens a routing socket that joins multicast groups.
func netlink(flags int, groups uint32) (int, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|flags, syscall.NETLINK_ROUTE)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groups}); err != nil {
		syscall.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// Close closes r and ends Wait.
func (r *Reader) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	if r.dump >= 0 {
		syscall.Close(r.dump)
	}
	if r.events != nil {
		r.events.Close()
	}
}

// Wait blocks until addresses, interfaces or routes change. It returns os.ErrDeadlineExceeded at
// the deadline; the zero time means no deadline. It returns os.ErrClosed after Close. Only one
// goroutine may call it at a time.
func (r *Reader) Wait(deadline time.Time) error {
	if err := r.events.SetReadDeadline(deadline); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.closed { // the error of a closed file is not os.ErrClosed here
			return os.ErrClosed
		}
		return err
	}
	var b [4096]byte // longer messages are truncated; only their existence matters
	_, err := r.events.Read(b[:])
	// The error means that the socket's buffer was too small for all changes.
	if err != nil && !errors.Is(err, syscall.ENOBUFS) {
		return err
	}
	// A change causes several messages; one is enough.
	raw, err := r.events.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		for range maxDrained {
			if _, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_DONTWAIT); err == syscall.EAGAIN {
				return
			}
		}
	})
}

// Addrs returns the addresses of all interfaces.
func (r *Reader) Addrs() ([]Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, os.ErrClosed
	}
	var err error
	for range dumpTries {
		var list []Addr
		if list, err = r.list(); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("list the addresses of the machine: %w", err)
}

// errInterrupted reports that addresses changed during the listing.
var errInterrupted = errors.New("addresses changed meanwhile")

// errRefused reports that the kernel has answered with an error, such as for a name that it does
// not know.
var errRefused = errors.New("the kernel refuses")

// list requests all addresses from the kernel once.
func (r *Reader) list() (list []Addr, err error) {
	var q [dumpRequestBytes]byte
	r.seq++
	binary.NativeEndian.PutUint32(q[0:], uint32(len(q)))
	binary.NativeEndian.PutUint16(q[4:], syscall.RTM_GETADDR)
	binary.NativeEndian.PutUint16(q[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(q[8:], r.seq)
	interrupted := false
	err = r.ask(q[:], func(m *syscall.NetlinkMessage) bool {
		interrupted = interrupted || m.Header.Flags&dumpInterrupted != 0
		if a, ok := parseAddr(m); ok && m.Header.Type == syscall.RTM_NEWADDR {
			list = append(list, a)
		}
		return m.Header.Type == syscall.NLMSG_DONE
	})
	if err == nil && interrupted {
		err = errInterrupted
	}
	return list, err
}

// parseAddr parses a message about an address.
func parseAddr(m *syscall.NetlinkMessage) (a Addr, ok bool) {
	if len(m.Data) < addrHeader {
		return a, false
	}
	bits, flags := int(m.Data[1]), uint32(m.Data[2])
	a.Index = int(binary.NativeEndian.Uint32(m.Data[4:]))
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return a, false
	}
	var ip netip.Addr
	for _, at := range attributes {
		v, isAddr := netip.AddrFromSlice(at.Value)
		switch {
		// On a link between two hosts, IFA_ADDRESS is the other host.
		case at.Attr.Type == syscall.IFA_LOCAL && isAddr,
			at.Attr.Type == syscall.IFA_ADDRESS && isAddr && !ip.IsValid():
			ip = netaddr.Normalize(v)
		case at.Attr.Type == ifaFlags && len(at.Value) == 4:
			flags = binary.NativeEndian.Uint32(at.Value)
		}
	}
	if !ip.IsValid() {
		return a, false
	}
	a.Prefix = netip.PrefixFrom(ip, bits)
	if ip.Is6() { // the same bits have other meanings for IPv4
		a.Temporary = flags&flagTemporary != 0
		a.Tentative = flags&flagTentative != 0 && flags&flagOptimistic == 0 || flags&flagDADFailed != 0
	}
	a.Deprecated = flags&flagDeprecated != 0
	return a, a.Prefix.IsValid()
}

// Source returns the source address for packets to the given address. It is invalid if there is no
// route.
func (r *Reader) Source(to netip.Addr) netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return netip.Addr{}
	}
	ip := to.AsSlice()
	q := make([]byte, syscall.NLMSG_HDRLEN+syscall.SizeofRtMsg+syscall.SizeofRtAttr+len(ip))
	header, route, attribute := q, q[syscall.NLMSG_HDRLEN:], q[syscall.NLMSG_HDRLEN+syscall.SizeofRtMsg:]
	r.seq++
	binary.NativeEndian.PutUint32(header, uint32(len(q)))
	binary.NativeEndian.PutUint16(header[4:], syscall.RTM_GETROUTE)
	binary.NativeEndian.PutUint16(header[6:], syscall.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(header[8:], r.seq)
	route[0], route[1] = syscall.AF_INET, byte(8*len(ip))
	if to.Is6() {
		route[0] = syscall.AF_INET6
	}
	binary.NativeEndian.PutUint16(attribute, uint16(syscall.SizeofRtAttr+len(ip)))
	binary.NativeEndian.PutUint16(attribute[2:], syscall.RTA_DST)
	copy(attribute[syscall.SizeofRtAttr:], ip)
	var source netip.Addr
	if err := r.ask(q, func(m *syscall.NetlinkMessage) bool {
		if m.Header.Type == syscall.RTM_NEWROUTE {
			source = parseSource(m)
		}
		return true
	}); err != nil {
		return netip.Addr{}
	}
	return source
}

// parseSource returns the source address of a route.
func parseSource(m *syscall.NetlinkMessage) netip.Addr {
	if len(m.Data) < syscall.SizeofRtMsg || m.Data[7] != syscall.RTN_UNICAST && m.Data[7] != syscall.RTN_LOCAL {
		return netip.Addr{}
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return netip.Addr{}
	}
	for _, at := range attributes {
		if a, ok := netip.AddrFromSlice(at.Value); ok && at.Attr.Type == syscall.RTA_PREFSRC {
			return netaddr.Normalize(a)
		}
	}
	return netip.Addr{}
}

// ask sends a request, and calls each with the kernel's answers until each returns true.
func (r *Reader) ask(request []byte, each func(*syscall.NetlinkMessage) bool) error {
	if err := syscall.Sendto(r.dump, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	seq := binary.NativeEndian.Uint32(request[8:])
	for {
		n, _, err := syscall.Recvfrom(r.dump, r.buf, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvfrom", err)
		}
		messages, err := syscall.ParseNetlinkMessage(r.buf[:n])
		if err != nil {
			return err
		}
		for i := range messages {
			m := &messages[i]
			if m.Header.Seq != seq {
				continue // an answer to an abandoned request
			}
			if m.Header.Type == syscall.NLMSG_ERROR {
				return errRefused
			}
			if each(m) {
				return nil
			}
		}
	}
}
