package manypeers

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/internal/frames"
)

// Verdicts of TC.
const (
	tcDrop = 2
	tcNext = -1
)

// Offsets in struct __sk_buff.
const (
	skbData, skbEnd = 76, 80
	skbSegments     = 164
)

// counters is a map of 64-bit counters that user space reads without a system call.
type counters struct {
	m      *ebpf.Map
	memory []byte
}

func newCounters() (c counters, err error) {
	page := unix.Getpagesize()
	c.m, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 64, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE})
	if err != nil {
		return c, fmt.Errorf("map of counters: %w", err)
	}
	if c.memory, err = unix.Mmap(c.m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		c.m.Close()
		return c, fmt.Errorf("map of counters: %w", err)
	}
	return c, nil
}

// at points to counter i.
func (c counters) at(i int) *uint64 { return (*uint64)(unsafe.Pointer(&c.memory[8*i])) }

func (c counters) close() {
	_ = unix.Munmap(c.memory)
	c.m.Close()
}

// ours jumps to "pass" unless the frame is UDP over IPv4 whose port at the given offset of the UDP
// header is as given. R6 points to the frame.
func ours(data, end int16, portAt int, port uint16) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, data, asm.Word),
		asm.LoadMem(asm.R7, asm.R1, end, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Imm(asm.R1, frames.HeaderSize),
		asm.JGT.Reg(asm.R1, asm.R7, "pass"),
		asm.LoadMem(asm.R1, asm.R6, 12, asm.Half),
		asm.JNE.Imm(asm.R1, 8, "pass"), // IPv4
		asm.LoadMem(asm.R1, asm.R6, frames.EtherSize+9, asm.Byte),
		asm.JNE.Imm(asm.R1, unix.IPPROTO_UDP, "pass"),
		asm.LoadMem(asm.R1, asm.R6, int16(frames.EtherSize+20+portAt), asm.Half),
		asm.JNE.Imm(asm.R1, int32(bits.ReverseBytes16(port)), "pass"),
	}
}

// Counters of countProgram. The generator sets the switch to let all datagrams through.
const (
	countFull   = iota // datagrams of the sizes that are counted
	countOther         // datagrams of other sizes
	countLow           // the least size, that of the UDP header included
	countHigh          // the largest size
	countSwitch        // 1: count and drop
)

// countProgram counts and drops the datagrams that a server sends, in TC or in XDP. A batch that
// the kernel has not segmented counts as what it holds.
func countProgram(c counters, port uint16, inXDP bool) asm.Instructions {
	drop, pass := int32(tcDrop), int32(tcNext)
	segments := asm.LoadMem(asm.R3, asm.R9, skbSegments, asm.Word)
	data, end := int16(skbData), int16(skbEnd)
	if inXDP {
		drop, pass, segments, data, end = frames.XDPDrop, frames.XDPPass, asm.Mov.Imm(asm.R3, 0), frames.XDPData, frames.XDPEnd
	}
	list := append(asm.Instructions{asm.Mov.Reg(asm.R9, asm.R1)}, ours(data, end, 0, port)...)
	return append(list,
		asm.LoadMapValue(asm.R8, c.m.FD(), 0),
		asm.LoadMem(asm.R1, asm.R8, 8*countSwitch, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "pass"),
		segments,
		asm.JGT.Imm(asm.R3, 1, "full"),
		asm.Mov.Imm(asm.R3, 1),
		asm.LoadMem(asm.R2, asm.R6, frames.EtherSize+20+4, asm.Half),
		asm.HostTo(asm.BE, asm.R2, asm.Half),
		asm.LoadMem(asm.R1, asm.R8, 8*countLow, asm.DWord),
		asm.JLT.Reg(asm.R2, asm.R1, "other"),
		asm.LoadMem(asm.R1, asm.R8, 8*countHigh, asm.DWord),
		asm.JLE.Reg(asm.R2, asm.R1, "full"),
		asm.Add.Imm(asm.R8, 8*countOther).WithSymbol("other"),
		asm.LoadMem(asm.R1, asm.R8, 0, asm.DWord).WithSymbol("full"),
		asm.Add.Reg(asm.R1, asm.R3),
		asm.StoreMem(asm.R8, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, drop), asm.Return(),
		asm.Mov.Imm(asm.R0, pass).WithSymbol("pass"), asm.Return(),
	)
}

// returnProgram sends each datagram to the given port back from XDP. Checksums stay as they are.
func returnProgram(port uint16) asm.Instructions {
	list := ours(frames.XDPData, frames.XDPEnd, 2, port)
	swap := func(a, b int16, size asm.Size) {
		list = append(list,
			asm.LoadMem(asm.R1, asm.R6, a, size), asm.LoadMem(asm.R2, asm.R6, b, size),
			asm.StoreMem(asm.R6, b, asm.R1, size), asm.StoreMem(asm.R6, a, asm.R2, size))
	}
	swap(0, 6, asm.Word)
	swap(4, 10, asm.Half)
	swap(frames.EtherSize+12, frames.EtherSize+16, asm.Word)
	swap(frames.EtherSize+20, frames.EtherSize+22, asm.Half)
	return append(list,
		asm.Mov.Imm(asm.R0, frames.XDPTX), asm.Return(),
		asm.Mov.Imm(asm.R0, frames.XDPPass).WithSymbol("pass"), asm.Return(),
	)
}
