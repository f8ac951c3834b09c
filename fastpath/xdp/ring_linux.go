package xdp

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one of the four rings of a socket, in memory that the kernel shares. One side produces
// and the other consumes. The atomic accesses to the indexes order those to the entries, which are
// plain. Indexes run freely; mask makes them positions.
type ring struct {
	memory  []byte
	prod    *uint32
	cons    *uint32
	flags   *uint32
	mask    uint32
	entries unsafe.Pointer
}

// Sizes of the entries of rings.
const (
	addrSize = int(unsafe.Sizeof(uint64(0)))      // fill and completion rings: a place in the UMEM
	descSize = int(unsafe.Sizeof(unix.XDPDesc{})) // receive and send rings
)

// mapRing maps a ring of a socket, which has n entries of size bytes.
func mapRing(fd int, off *unix.XDPRingOffset, page int64, n, size int) (ring, error) {
	m, err := unix.Mmap(fd, page, int(off.Desc)+n*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return ring{}, fmt.Errorf("map a ring: %w", err)
	}
	index := func(o uint64) *uint32 { return (*uint32)(unsafe.Pointer(&m[o])) }
	return ring{m, index(off.Producer), index(off.Consumer), index(off.Flags), uint32(n - 1), unsafe.Pointer(&m[off.Desc])}, nil
}

// addr is entry i of a fill or completion ring.
func (r *ring) addr(i uint32) *uint64 {
	return (*uint64)(unsafe.Add(r.entries, uintptr(i&r.mask)*uintptr(addrSize)))
}

// desc is entry i of a receive or send ring.
func (r *ring) desc(i uint32) *unix.XDPDesc {
	return (*unix.XDPDesc)(unsafe.Add(r.entries, uintptr(i&r.mask)*uintptr(descSize)))
}

// wakeup reports whether the kernel waits for a system call to look at the ring.
func (r *ring) wakeup() bool { return atomic.LoadUint32(r.flags)&unix.XDP_RING_NEED_WAKEUP != 0 }

func (r *ring) unmap() {
	if r.memory != nil {
		_ = unix.Munmap(r.memory)
		*r = ring{}
	}
}

// setOption sets an option of AF_XDP that has a structure.
func setOption(fd, option int, p unsafe.Pointer, size uintptr) error {
	if _, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option), uintptr(p), size, 0); e != 0 {
		return e
	}
	return nil
}

// getOption reads an option of AF_XDP into a structure. An older kernel may write less.
func getOption(fd, option int, p unsafe.Pointer, size uintptr) error {
	n := uint32(size)
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option), uintptr(p), uintptr(unsafe.Pointer(&n)), 0); e != 0 {
		return e
	}
	return nil
}
