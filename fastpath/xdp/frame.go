package xdp

import (
	"encoding/binary"
	"net/netip"

	"github.com/fastdisc/discv5/fastpath"
)

// Lengths and offsets of headers in a frame.
const (
	etherLen = 14
	ipv4Len  = 20
	ipv6Len  = 40
	udpLen   = 8

	head4 = etherLen + ipv4Len + udpLen
	head6 = etherLen + ipv6Len + udpLen

	protocolUDP = 17
	hopLimit    = 64

	frameSize = 2048 // bytes of a frame, with the headroom of the kernel
)

// fault is why a frame is dropped.
type fault uint8

const (
	faultNone     fault = iota
	faultFormat         // not the headers that the program lets through, or lengths that lie
	faultChecksum       // of the IPv4 header or of UDP
	faultSource         // an address or a port that nobody can send from
)

// origin is how a request arrived.
type origin struct {
	from   netip.AddrPort
	to     netip.AddrPort
	sender uint64 // Ethernet address, as macOf returns it
	target uint64

	group  uint8
	local  fastpath.Local
	direct bool // the return path is proven

	headers uint8       // bytes of head
	head    [head6]byte // of an answer, without lengths and checksums
	ipSum   uint64      // sum of the IPv4 header, without its length
	udpSum  uint64      // sum of addresses and ports
}

// macOf returns the Ethernet address at the start of b.
func macOf(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}

// parse checks a frame, and returns the payload of its datagram, which aliases f. It repeats what
// the steering program has checked, because another program may be on the interface by now.
func (o *origin) parse(f []byte) (payload []byte, bad fault) {
	if len(f) < head4 {
		return nil, faultFormat
	}
	o.target, o.sender = macOf(f), macOf(f[6:])
	if (o.target|o.sender)>>40&1 != 0 || o.sender == 0 {
		return nil, faultSource
	}
	copy(o.head[0:6], f[6:12])
	copy(o.head[6:12], f[0:6])
	var udp []byte
	switch binary.BigEndian.Uint16(f[12:]) {
	case 0x0800:
		udp, bad = o.parse4(f)
	case 0x86dd:
		udp, bad = o.parse6(f)
	default:
		bad = faultFormat
	}
	if bad != faultNone {
		return nil, bad
	}
	port := binary.BigEndian.Uint16(udp)
	if port == 0 || unusable(o.from.Addr()) {
		return nil, faultSource
	}
	o.from = netip.AddrPortFrom(o.from.Addr(), port)
	o.to = netip.AddrPortFrom(o.to.Addr(), binary.BigEndian.Uint16(udp[2:]))
	if !checksumOK(udp, o.udpSum, o.headers == head4) {
		return nil, faultChecksum
	}
	h := o.head[o.headers-udpLen:]
	copy(h[0:2], udp[2:4])
	copy(h[2:4], udp[0:2])
	o.udpSum += uint64(binary.NativeEndian.Uint32(udp))
	return udp[udpLen:], faultNone
}

// parse4 checks the IPv4 header of a frame of at least head4 bytes, prepares that of an answer, and
// returns the UDP datagram.
func (o *origin) parse4(f []byte) (udp []byte, bad fault) {
	total, n := int(binary.BigEndian.Uint16(f[16:])), int(binary.BigEndian.Uint16(f[38:]))
	switch {
	case f[14] != 0x45 || f[23] != protocolUDP || binary.BigEndian.Uint16(f[20:])&0x3fff != 0,
		total > len(f)-etherLen, n != total-ipv4Len, n < udpLen:
		return nil, faultFormat
	case fold(sum(f[14:34], 0)) != 0xffff:
		return nil, faultChecksum
	}
	o.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(f[26:30])), 0)
	o.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(f[30:34])), 0)
	o.udpSum = sum(f[26:34], 0)
	o.ipSum = answer4Sum + o.udpSum
	o.headers = head4
	h := o.head[:]
	copy(h[12:26], answer4[:])
	copy(h[26:30], f[30:34])
	copy(h[30:34], f[26:30])
	return f[34 : 34+n], faultNone
}

// parse6 is parse4 for IPv6.
func (o *origin) parse6(f []byte) (udp []byte, bad fault) {
	if len(f) < head6 {
		return nil, faultFormat
	}
	n := int(binary.BigEndian.Uint16(f[18:]))
	if f[14]>>4 != 6 || f[20] != protocolUDP || n > len(f)-etherLen-ipv6Len || n < udpLen || n != int(binary.BigEndian.Uint16(f[58:])) {
		return nil, faultFormat
	}
	o.from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(f[22:38])), 0)
	o.to = netip.AddrPortFrom(netip.AddrFrom16([16]byte(f[38:54])), 0)
	o.udpSum = sum(f[22:54], 0)
	o.headers = head6
	h := o.head[:]
	copy(h[12:22], answer6[:])
	copy(h[22:38], f[38:54])
	copy(h[38:54], f[22:38])
	return f[54 : 54+n], faultNone
}

// unusable reports whether no host can have sent from an address: the kernel would drop the packet
// too. An IPv4 address in IPv6 form would pass for another host's.
func unusable(a netip.Addr) bool {
	if a.Is4() {
		first := a.As4()[0]
		return first == 0 || first == 127 || first >= 224
	}
	return a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.Is4In6()
}

// checksumOK checks the checksum of a datagram. addresses is the sum of the addresses of its IP
// header. A sender on this machine, such as a container, leaves the checksum to a network card that
// the packet never passes: then the field has the sum of the pseudo-header alone. IPv4 allows 0 for
// no checksum.
func checksumOK(udp []byte, addresses uint64, optional bool) bool {
	pseudo := addresses + udpPseudo(len(udp))
	got := binary.NativeEndian.Uint16(udp[6:])
	if got == 0 {
		return optional
	}
	return fold(sum(udp, pseudo)) == 0xffff || got == fold(pseudo)
}

// sureLen is the longest IPv4 packet that every path takes. A longer one leaves with an
// identification and without DF, so that routers of a narrow path fragment it: only the kernel
// hears what they answer to one with DF.
const sureLen = 576

// withoutDF takes DF out of a sum.
var withoutDF = uint64(^binary.NativeEndian.Uint16([]byte{0x40, 0}))

// answer4 is an answer's type, and the IPv4 header from version to protocol: no ID, DF.
var answer4 = [14]byte{0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0x40, 0, hopLimit, protocolUDP, 0, 0}

var answer4Sum = sum(answer4[2:], 0)

// answer6 is an answer's type, and the IPv6 header to the hop limit.
var answer6 = [10]byte{0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, protocolUDP, hopLimit}

// packetLen returns the length of the IP packet of an answer of n bytes.
func (o *origin) packetLen(n int) int { return int(o.headers) - etherLen + n }

// write builds the frame of an answer in f and returns its length. f has room for head6 bytes and
// the answer.
func (o *origin) write(f, answer []byte) int {
	headers, length := int(o.headers), udpLen+len(answer)
	copy(f, o.head[:])
	udp := f[headers-udpLen : headers+len(answer)]
	if headers == head4 {
		binary.BigEndian.PutUint16(f[16:], uint16(ipv4Len+length))
		header := o.ipSum + uint64(binary.NativeEndian.Uint16(f[16:]))
		if ipv4Len+length > sureLen {
			// The start of a packet is random.
			id := binary.NativeEndian.Uint16(answer)
			binary.NativeEndian.PutUint16(f[18:], id)
			f[20] = 0
			header += uint64(id) + withoutDF
		}
		binary.NativeEndian.PutUint16(f[24:], ^fold(header))
	} else {
		binary.BigEndian.PutUint16(f[18:], uint16(length))
	}
	binary.BigEndian.PutUint16(udp[4:], uint16(length))
	copy(udp[udpLen:], answer)
	s := ^fold(sum(answer, o.udpSum+udpPseudo(length)+word(uint16(length))))
	if s == 0 { // 0 stands for no checksum
		s = 0xffff
	}
	binary.NativeEndian.PutUint16(udp[6:], s)
	return headers + len(answer)
}
