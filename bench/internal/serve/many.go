package serve

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/fastpath/xdp"
)

func accelerate(text string) (func([]*fastpath.Group) (fastpath.Accelerator, error), error) {
	i, err := xdp.ParseInterface(text)
	if err != nil {
		return nil, err
	}
	return xdp.Accelerate(xdp.Options{Interfaces: []xdp.Interface{i}}), nil
}

// accelerated returns an error unless AF_XDP serves.
func accelerated(list []fastpath.Acceleration) error {
	for _, a := range list {
		if a.Mode == "" {
			return fmt.Errorf("no AF_XDP: %v", a)
		}
	}
	if len(list) == 0 {
		return errors.New("no AF_XDP")
	}
	return nil
}

// bareEcho receives and sends by recvmmsg(2) and sendmmsg(2), from one IPv4 socket with the options
// of the system and a filter by length. It uses no code of this module.
type bareEcho struct {
	fd    int
	addr  netip.AddrPort
	sizes atomic.Pointer[[]int]
	done  atomic.Bool
}

// multiMessage is struct mmsghdr.
type multiMessage struct {
	header unix.Msghdr
	n      uint32
	_      [4]byte
}

func startBareEcho(spec Spec) (server, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	e := &bareEcho{fd: fd}
	listen := spec.listen()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jf: 2, K: 8 + codec.MinPacketSize},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, Jt: 1, K: 8 + codec.MaxPacketSize},
		{Code: unix.BPF_RET, K: 1 << 18},
		{Code: unix.BPF_RET},
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, fastpath.BusyRecvBuffer),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, fastpath.BusySendBuffer),
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: listen.Addr().As4(), Port: int(listen.Port())}),
	)
	if err == nil {
		var at unix.Sockaddr
		if at, err = unix.Getsockname(fd); err == nil {
			in := at.(*unix.SockaddrInet4)
			e.addr = netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	e.echo(nil)
	go e.run()
	return e, nil
}

// messages makes n headers, each with a buffer and room for an address.
func messages(n int) []multiMessage {
	list := make([]multiMessage, n)
	for i := range list {
		b := make([]byte, 2048)
		h := &list[i].header
		h.Iov = &unix.Iovec{Base: &b[0]}
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(new(unix.RawSockaddrInet4)))
	}
	return list
}

// exchange is recvmmsg(2) or sendmmsg(2).
func (e *bareEcho) exchange(trap uintptr, list []multiMessage) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(trap, uintptr(e.fd), uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func (e *bareEcho) run() {
	in, out := messages(fastpath.DefaultBatch), messages(fastpath.DefaultBatch)
	poll := []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}
	for !e.done.Load() {
		for i := range in {
			in[i].header.Namelen, in[i].header.Iov.Len = unix.SizeofSockaddrInet4, 2048
		}
		got, errno := e.exchange(unix.SYS_RECVMMSG, in)
		if errno != 0 {
			_, _ = unix.Poll(poll, 1000)
			continue
		}
		sizes, n := *e.sizes.Load(), 0
		for i := range got {
			for k := range max(1, len(sizes)) {
				if n == len(out) {
					e.send(out)
					n = 0
				}
				o := &out[n].header
				o.Name, o.Namelen = in[i].header.Name, in[i].header.Namelen
				o.Iov.Len = uint64(in[i].n)
				if len(sizes) > 0 {
					o.Iov.Len = uint64(sizes[k])
				}
				n++
			}
		}
		e.send(out[:n])
	}
	unix.Close(e.fd)
}

// send sends all of list. It skips datagrams that the kernel refuses.
func (e *bareEcho) send(list []multiMessage) {
	for len(list) > 0 {
		n, errno := e.exchange(unix.SYS_SENDMMSG, list)
		if errno != 0 {
			n = 1
		}
		list = list[n:]
	}
}

func (e *bareEcho) ready() Reply     { return Reply{Addr: e.addr.String()} }
func (e *bareEcho) usage(*Usage)     {}
func (e *bareEcho) echo(sizes []int) { e.sizes.Store(&sizes) }
func (e *bareEcho) close()           { e.done.Store(true) }

// xdpEcho is echo over package fastpath/xdp.
type xdpEcho struct {
	sockets     *echo
	accelerator fastpath.Accelerator
}

func startXDPEcho(spec Spec) (server, error) {
	s, err := startEcho(spec)
	if err != nil {
		return nil, err
	}
	f, err := accelerate(spec.XDP)
	if err != nil {
		s.close()
		return nil, err
	}
	e := s.(*echo)
	a, err := f([]*fastpath.Group{e.group})
	if err == nil {
		err = accelerated(a.Accelerations())
	}
	if err != nil {
		s.close()
		return nil, err
	}
	for _, c := range a.Conns() {
		go e.run(c)
	}
	return &xdpEcho{e, a}, nil
}

func (e *xdpEcho) ready() Reply     { return e.sockets.ready() }
func (e *xdpEcho) echo(sizes []int) { e.sockets.echo(sizes) }

func (e *xdpEcho) usage(u *Usage) {
	e.sockets.usage(u)
	countAccelerated(u, e.accelerator.Accelerations())
}

func (e *xdpEcho) close() {
	e.accelerator.Close()
	e.sockets.close()
}

// countAccelerated counts what AF_XDP has passed to the sockets.
func countAccelerated(u *Usage, list []fastpath.Acceleration) {
	for _, a := range list {
		u.Fallbacks += a.Fallbacks
	}
}
