package fastpath

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
