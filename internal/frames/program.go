package frames

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Verdicts of XDP.
const (
	XDPDrop = 1
	XDPPass = 2
	XDPTX   = 3
)

// Offsets in struct xdp_md.
const (
	XDPData = 0
	XDPEnd  = 4
)

// Next returns an XDP program that replaces the frame it gets by the next one of the array frames,
// all of the given size in bytes, and sends it. The first 64 bits of the array next count the
// frames. After the last frame the program drops all that it gets; with repeat, for an array whose
// length is a power of two, it begins with the first one again.
func Next(frames, next *ebpf.Map, size int, repeat bool) asm.Instructions {
	list := asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, XDPData, asm.Word),
		asm.LoadMem(asm.R7, asm.R1, XDPEnd, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Imm(asm.R1, int32(size)),
		asm.JGT.Reg(asm.R1, asm.R7, "bad"),
		asm.LoadMapValue(asm.R8, next.FD(), 0),
		asm.LoadMem(asm.R1, asm.R8, 0, asm.DWord),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R8, 0, asm.R1, asm.DWord),
	}
	if repeat {
		list = append(list, asm.And.Imm(asm.R2, int32(frames.MaxEntries()-1)))
	}
	list = append(list,
		asm.StoreMem(asm.RFP, -4, asm.R2, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, frames.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "bad"),
	)
	at := 0
	for _, word := range []struct {
		n    int
		size asm.Size
	}{{8, asm.DWord}, {4, asm.Word}, {2, asm.Half}, {1, asm.Byte}} {
		for ; at+word.n <= size; at += word.n {
			list = append(list, asm.LoadMem(asm.R1, asm.R0, int16(at), word.size), asm.StoreMem(asm.R6, int16(at), asm.R1, word.size))
		}
	}
	return append(list,
		asm.Mov.Imm(asm.R0, XDPTX), asm.Return(),
		asm.Mov.Imm(asm.R0, XDPDrop).WithSymbol("bad"), asm.Return(),
	)
}
