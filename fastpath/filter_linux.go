package fastpath

import (
	"fmt"
	"runtime"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

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
