package xdp

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Filter is a filter for an interface that has room for one XDP program: its instructions run in
// front of the steering program. A *filter.Filter is one.
type Filter interface {
	// XDP returns the instructions for the interface with the given index, and removes the filter's
	// own program from it. They find the context in R1 and R6, must keep R6, and either return a
	// verdict or jump to the label next. Their own labels must not begin with "steer". ok is false
	// if the filter does not work with XDP.
	XDP(index int) (text func(next string) asm.Instructions, ok bool)
	// Detached says that the program with these instructions is not on the interface.
	Detached(index int)
}

// passToKernel is XDP_PASS.
const passToKernel = 2

// endpointKey is a key of the map of local endpoints: 16 bytes of address, IPv4 in IPv6 form, and
// the port in network order.
type endpointKey [20]byte

func newEndpointKey(a netip.AddrPort) (k endpointKey) {
	ip := a.Addr().As16()
	copy(k[:], ip[:])
	binary.BigEndian.PutUint16(k[16:], a.Port())
	return k
}

// Offsets of the key on the stack of the program.
const (
	keyAt  = -24
	portAt = keyAt + 16
)

// steering says what the program redirects.
type steering struct {
	sockets, endpoints *ebpf.Map
	ports              []uint16                           // at most 16
	smallest, largest  int                                // payload
	filter             func(next string) asm.Instructions // nil for none
}

// program returns the steering program; see the documentation of the package. R6 is the context, R7
// and R8 are start and end of the packet, R9 is the length of the IP payload.
//
// Without CAP_PERFMON the verifier allows no arithmetic with two pointers and none with a pointer
// and a number from the packet. So the program does not know the length of the frame, and parse
// drops a packet that was cut.
func (s *steering) program() asm.Instructions {
	const pass = "steer_pass"
	half := func(v uint16) int32 { // as a load of a half word from the packet has it
		var b [2]byte
		binary.BigEndian.PutUint16(b[:], v)
		return int32(binary.NativeEndian.Uint16(b[:]))
	}
	in := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	if s.filter != nil {
		in = append(in, s.filter("steer")...)
	}
	in = append(in,
		asm.LoadMem(asm.R7, asm.R6, 0, asm.Word).WithSymbol("steer"), // data
		asm.LoadMem(asm.R8, asm.R6, 4, asm.Word),                     // data_end
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, head4),
		asm.JGT.Reg(asm.R2, asm.R8, pass),
	)
	for _, at := range []int16{0, 6} { // no group addresses
		in = append(in,
			asm.LoadMem(asm.R3, asm.R7, at, asm.Byte),
			asm.And.Imm(asm.R3, 1),
			asm.JNE.Imm(asm.R3, 0, pass))
	}
	in = append(in,
		asm.LoadMem(asm.R3, asm.R7, 12, asm.Half),
		asm.JEq.Imm(asm.R3, half(0x0800), "steer_ipv4"),
		asm.JNE.Imm(asm.R3, half(0x86dd), pass),

		// IPv6 without extension headers. Sources that begin with 0x00 are unspecified, loopback or
		// IPv4 addresses, with 0xfe link-local ones, with 0xff multicast ones.
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, head6),
		asm.JGT.Reg(asm.R2, asm.R8, pass),
		asm.LoadMem(asm.R3, asm.R7, 14, asm.Byte),
		asm.And.Imm(asm.R3, 0xf0),
		asm.JNE.Imm(asm.R3, 0x60, pass),
		asm.LoadMem(asm.R3, asm.R7, 20, asm.Byte),
		asm.JNE.Imm(asm.R3, protocolUDP, pass),
		asm.LoadMem(asm.R3, asm.R7, 22, asm.Byte),
		asm.JEq.Imm(asm.R3, 0, pass),
		asm.JGE.Imm(asm.R3, 0xfe, pass),
		asm.LoadMem(asm.R9, asm.R7, 18, asm.Half),
		asm.HostTo(asm.BE, asm.R9, asm.Half))
	for i := range int16(4) {
		in = append(in,
			asm.LoadMem(asm.R3, asm.R7, 38+4*i, asm.Word),
			asm.StoreMem(asm.RFP, keyAt+4*i, asm.R3, asm.Word))
	}
	in = append(in,
		asm.Add.Imm(asm.R7, etherLen+ipv6Len),
		asm.Ja.Label("steer_udp"),

		// IPv4 without options, no fragment. Sources: not 0/8, 127/8, 224/3, 169.254/16.
		asm.LoadMem(asm.R3, asm.R7, 14, asm.Byte).WithSymbol("steer_ipv4"),
		asm.JNE.Imm(asm.R3, 0x45, pass),
		asm.LoadMem(asm.R3, asm.R7, 23, asm.Byte),
		asm.JNE.Imm(asm.R3, protocolUDP, pass),
		asm.LoadMem(asm.R3, asm.R7, 20, asm.Half),
		asm.And.Imm(asm.R3, half(0x3fff)),
		asm.JNE.Imm(asm.R3, 0, pass),
		asm.LoadMem(asm.R3, asm.R7, 26, asm.Byte),
		asm.JEq.Imm(asm.R3, 0, pass),
		asm.JEq.Imm(asm.R3, 127, pass),
		asm.JGE.Imm(asm.R3, 224, pass),
		asm.LoadMem(asm.R3, asm.R7, 26, asm.Half),
		asm.JEq.Imm(asm.R3, half(169<<8|254), pass),
		asm.LoadMem(asm.R9, asm.R7, 16, asm.Half),
		asm.HostTo(asm.BE, asm.R9, asm.Half),
		asm.JLT.Imm(asm.R9, ipv4Len, pass),
		asm.Sub.Imm(asm.R9, ipv4Len),
		asm.Mov.Imm(asm.R3, 0),
		asm.StoreMem(asm.RFP, keyAt, asm.R3, asm.DWord),
		asm.Mov.Imm(asm.R3, half(0xffff)),
		asm.LSh.Imm(asm.R3, 16),
		asm.StoreMem(asm.RFP, keyAt+8, asm.R3, asm.Word),
		asm.LoadMem(asm.R3, asm.R7, 30, asm.Word),
		asm.StoreMem(asm.RFP, keyAt+12, asm.R3, asm.Word),
		asm.Add.Imm(asm.R7, etherLen+ipv4Len),

		// UDP from a port, to a port of the node, which fills the packet.
		asm.LoadMem(asm.R3, asm.R7, 0, asm.Half).WithSymbol("steer_udp"),
		asm.JEq.Imm(asm.R3, 0, pass),
		asm.LoadMem(asm.R3, asm.R7, 4, asm.Half),
		asm.HostTo(asm.BE, asm.R3, asm.Half),
		asm.JNE.Reg(asm.R3, asm.R9, pass),
		asm.JLT.Imm(asm.R3, int32(s.smallest+udpLen), pass),
		asm.JGT.Imm(asm.R3, int32(s.largest+udpLen), pass),
		asm.LoadMem(asm.R3, asm.R7, 2, asm.Half))
	for _, p := range slices.Compact(slices.Sorted(slices.Values(s.ports))) {
		in = append(in, asm.JEq.Imm(asm.R3, half(p), "steer_port"))
	}
	return append(in,
		asm.Ja.Label(pass),

		asm.StoreMem(asm.RFP, portAt, asm.R3, asm.Half).WithSymbol("steer_port"),
		asm.Mov.Imm(asm.R3, 0),
		asm.StoreMem(asm.RFP, portAt+2, asm.R3, asm.Half),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, keyAt),
		asm.LoadMapPtr(asm.R1, s.endpoints.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, pass),
		asm.LoadMem(asm.R2, asm.R6, 16, asm.Word), // rx_queue_index
		asm.LoadMapPtr(asm.R1, s.sockets.FD()),
		asm.Mov.Imm(asm.R3, passToKernel), // if the queue has no socket
		asm.FnRedirectMap.Call(),
		asm.Return(),

		asm.Mov.Imm(asm.R0, passToKernel).WithSymbol(pass),
		asm.Return(),
	)
}
