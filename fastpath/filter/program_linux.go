package filter

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// hook is where a program runs.
type hook uint8

const (
	hookXDP hook = iota
	hookTC
	hookSocket
)

// Verdicts of the hooks.
const (
	xdpDrop = 1
	xdpPass = 2

	tcDrop = 2
	tcNext = -1 // the next program decides

	socketDrop = 0
	socketKeep = 0x40000 // bytes to keep: all
)

// verdicts of a hook: to drop, and to pass.
func (h hook) verdicts() (drop, pass int32) {
	switch h {
	case hookXDP:
		return xdpDrop, xdpPass
	case hookTC:
		return tcDrop, tcNext
	}
	return socketDrop, socketKeep
}

// Causes are the indexes of the counters.
const (
	passedHeld = iota
	passedHandshake
	passedNew
	droppedPrefix
	droppedTotal
	droppedSize
	droppedSource
	numCauses
)

// Fields of struct xdp_md and struct __sk_buff.
const (
	xdpData    = 0
	xdpDataEnd = 4

	skbLen      = 0
	skbProtocol = 16
	skbGSOSegs  = 164
	skbGSOSize  = 176

	startNet = 1 // of bpf_skb_load_bytes_relative: the network header
)

// Keys of the maps. An endpoint is the address in 16 bytes, IPv4 mapped, then the port in network
// order and two bytes 0. A prefix is the upper half of an IPv6 address, or four bytes 255 and an
// IPv4 /24. No source is at an IPv6 address that begins like that: it is a multicast address.
const (
	endpointSize = 20
	prefixSize   = 8
)

// Stack of a program, from the frame pointer down.
const (
	atSource = -24  // endpoint
	atLocal  = -48  // endpoint
	atPrefix = -56  // prefix
	atValue  = -80  // value of a map: two words of 8 bytes
	atSegs   = -88  // datagrams of the packet: several if it is a GRO batch
	atIndex  = -92  // key of the counters
	atNext   = -96  // type of the next IPv6 header
	atHeader = -136 // up to 40 bytes of a header
)

// Registers of a program. R0 to R5 are scratch.
const (
	regHeader = asm.R6 // header that is being parsed, later a bucket
	regCtx    = asm.R7
	regEnd    = asm.R8 // XDP: end of the packet; TC: offset of the header
	regSize   = asm.R9 // payload, later the time
	regBucket = asm.R8
	regNow    = asm.R9
)

const (
	protoUDP = 17
	// IPv6 extension headers that a datagram may have before its UDP header. Packets with more
	// pass.
	maxExtensions = 4
	extHopByHop   = 0
	extRouting    = 43
	extFragment   = 44
	extOptions    = 60

	// attempts to charge a bucket that another CPU charges at the same moment.
	maxAttempts = 4
)

// labels of a program have this prefix, so that it can stand in front of other code.
const labelPrefix = "filter_"

// builder makes the text of a program.
type builder struct {
	hook    hook
	maps    *maps
	ports   []uint16
	min     int    // smallest payload
	max     int    // largest payload
	network bucket // of a prefix
	total   bucket

	ins     asm.Instructions
	pending string // label of the next instruction
	made    int    // labels
}

func label(name string) string { return labelPrefix + name }

// emit appends instructions.
func (b *builder) emit(ins ...asm.Instruction) {
	for _, i := range ins {
		if b.pending != "" {
			i = i.WithSymbol(b.pending)
			b.pending = ""
		}
		b.ins = append(b.ins, i)
	}
}

// place names the next instruction.
func (b *builder) place(name string) {
	if b.pending != "" { // two names for one place
		b.emit(asm.Mov.Reg(asm.R0, asm.R0))
	}
	b.pending = label(name)
}

// fresh returns a label that is not in use.
func (b *builder) fresh() string {
	b.made++
	return fmt.Sprintf("l%d", b.made)
}

// wire returns v as a program loads it: in network order.
func wire(v uint16) int32 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return int32(binary.NativeEndian.Uint16(b[:]))
}

func wire32(v uint32) int32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	return int32(binary.NativeEndian.Uint32(b[:]))
}

// program returns the text. It begins with the context in R1. Where a packet passes it ends with
// the context in R1 too and continues with the next instruction, so that another program can
// follow.
func (b *builder) program() asm.Instructions {
	b.emit(asm.Mov.Reg(regCtx, asm.R1))
	b.parse()
	b.judge()
	drop, _ := b.hook.verdicts()
	b.place("drop")
	b.emit(asm.Mov.Imm(asm.R0, drop), asm.Return())
	b.place("pass")
	b.emit(asm.Mov.Reg(asm.R1, regCtx))
	return b.ins
}

// prefix returns a text that stands in front of another one, which begins at label next.
func (b *builder) prefix(next string) asm.Instructions {
	return append(b.program(), asm.Mov.Reg(asm.R6, asm.R1), asm.Ja.Label(next))
}

// standalone returns a whole program.
func (b *builder) standalone() asm.Instructions {
	_, pass := b.hook.verdicts()
	return append(b.program(), asm.Mov.Imm(asm.R0, pass), asm.Return())
}

// parse fills in the keys of the packet and its size, or passes the packet if it is none of ours.
func (b *builder) parse() {
	b.emit(
		asm.StoreImm(asm.RFP, atSource+16, 0, asm.Word),
		asm.StoreImm(asm.RFP, atLocal+16, 0, asm.Word),
		asm.Mov.Imm(asm.R1, 1), asm.StoreMem(asm.RFP, atSegs, asm.R1, asm.DWord),
	)
	switch b.hook {
	case hookXDP:
		b.emit(
			asm.LoadMem(regHeader, regCtx, xdpData, asm.Word),
			asm.LoadMem(regEnd, regCtx, xdpDataEnd, asm.Word),
		)
		b.need(14)
		b.emit(asm.LoadMem(asm.R1, regHeader, 12, asm.Half), asm.Add.Imm(regHeader, 14))
	default:
		b.emit(asm.Mov.Imm(regEnd, 0), asm.LoadMem(asm.R1, regCtx, skbProtocol, asm.Word))
	}
	b.emit(
		asm.JEq.Imm(asm.R1, wire(0x0800), label("ipv4")),
		asm.JNE.Imm(asm.R1, wire(0x86dd), label("pass")),
	)
	b.parse6()
	b.place("ipv4")
	b.parse4()
	b.place("udp")
	b.parseUDP()
}

// need makes sure that n bytes of the header can be read through regHeader, or passes the packet.
func (b *builder) need(n int32) {
	if b.hook == hookXDP {
		b.emit(asm.Mov.Reg(asm.R1, regHeader), asm.Add.Imm(asm.R1, n), asm.JGT.Reg(asm.R1, regEnd, label("pass")))
		return
	}
	b.emit(
		asm.Mov.Reg(asm.R1, regCtx),
		asm.Mov.Reg(asm.R2, regEnd),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, atHeader),
		asm.Mov.Imm(asm.R4, n),
		asm.Mov.Imm(asm.R5, startNet),
		asm.FnSkbLoadBytesRelative.Call(),
		asm.JNE.Imm(asm.R0, 0, label("pass")),
		asm.Mov.Reg(regHeader, asm.RFP), asm.Add.Imm(regHeader, atHeader),
	)
}

// cursor is the register that moves on to the next header.
func (b *builder) cursor() asm.Register {
	if b.hook == hookXDP {
		return regHeader
	}
	return regEnd
}

// copyBytes copies n bytes, a multiple of 4, from the header to the stack.
func (b *builder) copyBytes(from, to, n int16) {
	for i := int16(0); i < n; i += 4 {
		b.emit(asm.LoadMem(asm.R1, regHeader, from+i, asm.Word), asm.StoreMem(asm.RFP, to+i, asm.R1, asm.Word))
	}
}

// map4 writes an IPv4 address of the header to the stack as a mapped one.
func (b *builder) map4(from, to int16) {
	b.emit(
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, to, asm.R1, asm.DWord),
		asm.StoreImm(asm.RFP, to+8, int64(wire32(0xffff)), asm.Word),
	)
	b.copyBytes(from, to+12, 4)
}

func (b *builder) parse4() {
	b.need(20)
	b.map4(12, atSource)
	b.map4(16, atLocal)
	b.emit(
		asm.LoadMem(asm.R1, asm.RFP, atSource+12, asm.Word),
		asm.And.Imm(asm.R1, wire32(0xffffff00)),
		asm.StoreMem(asm.RFP, atPrefix+4, asm.R1, asm.Word),
		asm.StoreImm(asm.RFP, atPrefix, -1, asm.Word),
	)
	if b.hook == hookSocket {
		return
	}
	b.emit(
		asm.LoadMem(asm.R1, regHeader, 9, asm.Byte),
		asm.JNE.Imm(asm.R1, protoUDP, label("pass")),
		asm.LoadMem(asm.R1, regHeader, 6, asm.Half),
		asm.And.Imm(asm.R1, wire(0x1fff)),
		asm.JNE.Imm(asm.R1, 0, label("pass")), // not the first fragment
		asm.LoadMem(asm.R1, regHeader, 0, asm.Byte),
		asm.And.Imm(asm.R1, 0x0f),
		asm.JLT.Imm(asm.R1, 5, label("pass")),
		asm.LSh.Imm(asm.R1, 2),
		asm.Add.Reg(b.cursor(), asm.R1),
	)
}

func (b *builder) parse6() {
	b.need(40)
	b.copyBytes(8, atSource, 16)
	b.copyBytes(24, atLocal, 16)
	b.emit(
		asm.LoadMem(asm.R1, asm.RFP, atSource, asm.DWord),
		asm.StoreMem(asm.RFP, atPrefix, asm.R1, asm.DWord),
	)
	if b.hook == hookSocket {
		b.emit(asm.Ja.Label(label("udp")))
		return
	}
	b.emit(
		asm.LoadMem(asm.R1, regHeader, 6, asm.Byte),
		asm.StoreMem(asm.RFP, atNext, asm.R1, asm.Word),
		asm.Add.Imm(b.cursor(), 40),
	)
	for range maxExtensions {
		fragment, next := b.fresh(), b.fresh()
		extension := b.fresh()
		b.emit(
			asm.LoadMem(asm.R1, asm.RFP, atNext, asm.Word),
			asm.JEq.Imm(asm.R1, protoUDP, label("udp")),
			asm.JEq.Imm(asm.R1, extFragment, label(fragment)),
			asm.JEq.Imm(asm.R1, extHopByHop, label(extension)),
			asm.JEq.Imm(asm.R1, extRouting, label(extension)),
			asm.JNE.Imm(asm.R1, extOptions, label("pass")),
		)
		b.place(extension)
		b.need(8)
		b.emit(
			asm.LoadMem(asm.R1, regHeader, 0, asm.Byte),
			asm.StoreMem(asm.RFP, atNext, asm.R1, asm.Word),
			asm.LoadMem(asm.R1, regHeader, 1, asm.Byte),
			asm.Add.Imm(asm.R1, 1), asm.LSh.Imm(asm.R1, 3),
			asm.Add.Reg(b.cursor(), asm.R1),
			asm.Ja.Label(label(next)),
		)
		b.place(fragment)
		b.need(8)
		b.emit(
			asm.LoadMem(asm.R1, regHeader, 2, asm.Half),
			asm.And.Imm(asm.R1, wire(0xfff8)),
			asm.JNE.Imm(asm.R1, 0, label("pass")), // not the first fragment
			asm.LoadMem(asm.R1, regHeader, 0, asm.Byte),
			asm.StoreMem(asm.RFP, atNext, asm.R1, asm.Word),
			asm.Add.Imm(b.cursor(), 8),
		)
		b.place(next)
	}
	b.emit(
		asm.LoadMem(asm.R1, asm.RFP, atNext, asm.Word),
		asm.JNE.Imm(asm.R1, protoUDP, label("pass")),
		asm.Ja.Label(label("udp")),
	)
}

// parseUDP reads ports and size, and passes datagrams that are not for the node.
func (b *builder) parseUDP() {
	if b.hook == hookSocket {
		// The data of the packet begins with its UDP header.
		b.emit(
			asm.Mov.Reg(asm.R1, regCtx),
			asm.Mov.Imm(asm.R2, 0),
			asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, atSource+16),
			asm.Mov.Imm(asm.R4, 2),
			asm.FnSkbLoadBytes.Call(),
			asm.JNE.Imm(asm.R0, 0, label("drop")),
			asm.LoadMem(regSize, regCtx, skbLen, asm.Word),
		)
	} else {
		b.need(8)
		b.emit(
			asm.LoadMem(asm.R1, regHeader, 0, asm.Half),
			asm.StoreMem(asm.RFP, atSource+16, asm.R1, asm.Half),
			asm.LoadMem(asm.R1, regHeader, 2, asm.Half),
			asm.StoreMem(asm.RFP, atLocal+16, asm.R1, asm.Half),
			asm.LoadMem(regSize, regHeader, 4, asm.Half),
			asm.HostTo(asm.BE, regSize, asm.Half),
		)
		for _, p := range b.ports {
			b.emit(asm.JEq.Imm(asm.R1, wire(p), label("port")))
		}
		b.emit(asm.Ja.Label(label("pass")))
		b.place("port")
		b.lookup(b.maps.locals, atLocal)
		b.emit(asm.JEq.Imm(asm.R0, 0, label("pass")))
	}
	sized := b.fresh()
	if b.hook != hookXDP {
		// A GRO batch: its datagrams have this size, and the last one may be shorter.
		b.emit(
			asm.LoadMem(asm.R1, regCtx, skbGSOSize, asm.Word),
			asm.JEq.Imm(asm.R1, 0, label(sized)),
			asm.Mov.Reg(regSize, asm.R1),
			asm.Add.Imm(regSize, 8),
			asm.LoadMem(asm.R1, regCtx, skbGSOSegs, asm.Word),
			asm.JEq.Imm(asm.R1, 0, label(sized)),
			asm.StoreMem(asm.RFP, atSegs, asm.R1, asm.DWord),
		)
	}
	b.place(sized)
	b.emit(
		asm.JLT.Imm(regSize, int32(b.min+8), label("size")),
		asm.JGT.Imm(regSize, int32(b.max+8), label("size")),
	)
}
