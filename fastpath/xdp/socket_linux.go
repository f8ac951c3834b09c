package xdp

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/fastpath"
)

const (
	batchSize  = fastpath.DefaultBatch // frames of one ReadBatch
	sendTries  = 4                     // calls without progress before frames stay in the send ring
	busyTries  = 40
	busyPause  = 5 * time.Millisecond
	alignFrame = ^uint64(frameSize - 1)
)

// socket is an AF_XDP socket with its memory. The Conn that has it serializes all calls.
type socket struct {
	fd   int
	file *os.File // puts fd into the poller of the runtime
	raw  syscall.RawConn
	umem []byte

	fill, completion, rx, tx                 ring
	fillProd, completionCons, rxCons, txProd uint32

	free   []uint64 // frames to send from
	broken error    // of a send call: the supervisor replaces the socket
}

// openSocket binds a socket to a queue. It halves the number of frames until the limit of locked
// memory allows it. The kernel frees the queue of a closed socket a little later.
func openSocket(index, queue, frames int, zeroCopy bool) (*socket, error) {
	busy := 0
	for {
		s, err := tryOpen(index, queue, frames, zeroCopy)
		if (errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOMEM)) && frames/2 >= minFrames {
			frames /= 2
			continue
		}
		if errors.Is(err, unix.EBUSY) && busy < busyTries {
			busy++
			time.Sleep(busyPause)
			continue
		}
		return s, err
	}
}

// tryOpen opens a socket with that many frames.
func tryOpen(index, queue, frames int, zeroCopy bool) (*socket, error) {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open an AF_XDP socket: %w", err)
	}
	s := &socket{fd: fd}
	if err := s.setUp(index, queue, frames, zeroCopy); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// setUp makes memory and rings, and binds the socket.
func (s *socket) setUp(index, queue, frames int, zeroCopy bool) (err error) {
	if s.umem, err = unix.Mmap(-1, 0, 2*frames*frameSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("map frames: %w", err)
	}
	reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&s.umem[0]))), Len: uint64(len(s.umem)), Size: frameSize}
	if err := setOption(s.fd, unix.XDP_UMEM_REG, unsafe.Pointer(&reg), unsafe.Sizeof(reg)); err != nil {
		return fmt.Errorf("register frames (RLIMIT_MEMLOCK counts them): %w", err)
	}
	for _, o := range []int{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_RX_RING, unix.XDP_TX_RING} {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_XDP, o, frames); err != nil {
			return fmt.Errorf("make a ring: %w", err)
		}
	}
	// Linux 6.17. Others send 32 frames for each call in copy mode.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_XDP, unix.XDP_MAX_TX_SKB_BUDGET, batchSize)
	if err := s.mapRings(frames); err != nil {
		return err
	}
	// The first half of the frames goes round between fill and receive ring, the second one is for
	// sending.
	for i := range frames {
		*s.fill.addr(uint32(i)) = uint64(i * frameSize)
		s.free = append(s.free, uint64((frames+i)*frameSize))
	}
	s.fillProd = uint32(frames)
	atomic.StoreUint32(s.fill.prod, s.fillProd)
	flags := uint16(unix.XDP_USE_NEED_WAKEUP)
	if zeroCopy {
		flags |= unix.XDP_ZEROCOPY
	} else {
		flags |= unix.XDP_COPY
	}
	if err := unix.Bind(s.fd, &unix.SockaddrXDP{Flags: flags, Ifindex: uint32(index), QueueID: uint32(queue)}); err != nil {
		return fmt.Errorf("bind to queue %d: %w", queue, err)
	}
	s.file = os.NewFile(uintptr(s.fd), "xdp")
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return fmt.Errorf("poll the socket: %w", err)
	}
	return nil
}

func (s *socket) mapRings(n int) error {
	var off unix.XDPMmapOffsets
	if err := getOption(s.fd, unix.XDP_MMAP_OFFSETS, unsafe.Pointer(&off), unsafe.Sizeof(off)); err != nil {
		return fmt.Errorf("ask for the layout of rings: %w", err)
	}
	for _, m := range []struct {
		r    *ring
		off  *unix.XDPRingOffset
		page int64
		size int
	}{
		{&s.fill, &off.Fr, unix.XDP_UMEM_PGOFF_FILL_RING, addrSize},
		{&s.completion, &off.Cr, unix.XDP_UMEM_PGOFF_COMPLETION_RING, addrSize},
		{&s.rx, &off.Rx, unix.XDP_PGOFF_RX_RING, descSize},
		{&s.tx, &off.Tx, unix.XDP_PGOFF_TX_RING, descSize},
	} {
		r, err := mapRing(s.fd, m.off, m.page, n, m.size)
		if err != nil {
			return err
		}
		*m.r = r
	}
	return nil
}

// close closes the socket and unmaps its memory. A goroutine that waits in raw.Read gets an error.
// close waits until no goroutine is in raw.Read, so the caller must hold no lock that its function
// takes.
func (s *socket) close() {
	if s.file != nil {
		s.file.Close()
	} else {
		unix.Close(s.fd)
	}
	for _, r := range []*ring{&s.fill, &s.completion, &s.rx, &s.tx} {
		r.unmap()
	}
	if s.umem != nil {
		_ = unix.Munmap(s.umem)
		s.umem = nil
	}
}

// received returns the number of frames that wait in the receive ring.
func (s *socket) received() int { return int(atomic.LoadUint32(s.rx.prod) - s.rxCons) }

// next takes a frame from the receive ring, and puts it into the fill ring, from which the kernel
// may take it after release.
func (s *socket) next() []byte {
	d := s.rx.desc(s.rxCons)
	s.rxCons++
	*s.fill.addr(s.fillProd) = d.Addr & alignFrame
	s.fillProd++
	return s.umem[d.Addr : d.Addr+uint64(d.Len) : d.Addr+uint64(d.Len)]
}

// release gives the frames of next back to the kernel.
func (s *socket) release() {
	atomic.StoreUint32(s.rx.cons, s.rxCons)
	atomic.StoreUint32(s.fill.prod, s.fillProd)
	if s.fill.wakeup() {
		_, _, _ = unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	}
}

// frame returns a frame to build an answer in, and its place; ok is false if none is free.
func (s *socket) frame() (f []byte, at uint64, ok bool) {
	if len(s.free) == 0 {
		return nil, 0, false
	}
	at = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return s.umem[at : at+frameSize : at+frameSize], at, true
}

// queue puts a frame of n bytes into the send ring, which has room for all frames.
func (s *socket) queue(at uint64, n int) {
	*s.tx.desc(s.txProd) = unix.XDPDesc{Addr: at, Len: uint32(n)}
	s.txProd++
}

// reap takes frames back that have been sent.
func (s *socket) reap() {
	for p := atomic.LoadUint32(s.completion.prod); s.completionCons != p; s.completionCons++ {
		s.free = append(s.free, *s.completion.addr(s.completionCons)&alignFrame)
	}
	atomic.StoreUint32(s.completion.cons, s.completionCons)
}

// send hands the send ring to the kernel. Like the calls of fastpath it goes past the scheduler of
// the runtime, because it never waits. In copy mode one call sends a limited number of frames, and
// a full device none; what is left goes with the next call.
func (s *socket) send() {
	atomic.StoreUint32(s.tx.prod, s.txProd)
	for tries := 0; tries < sendTries && s.tx.wakeup(); {
		before := atomic.LoadUint32(s.tx.cons)
		_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case 0, unix.EAGAIN, unix.EBUSY, unix.ENOBUFS:
		case unix.EINTR:
			tries++
			continue
		default:
			s.broken = e
			return
		}
		now := atomic.LoadUint32(s.tx.cons)
		if now == s.txProd {
			return
		}
		if now == before {
			tries++
			runtime.Gosched()
		}
	}
}

// drops returns how many frames the kernel has dropped at this socket: for lack of frames in the
// fill ring, or of room in the receive ring.
func (s *socket) drops() uint64 {
	var st unix.XDPStatistics
	if err := getOption(s.fd, unix.XDP_STATISTICS, unsafe.Pointer(&st), unsafe.Sizeof(st)); err != nil {
		return 0
	}
	return st.Rx_dropped + st.Rx_ring_full
}
