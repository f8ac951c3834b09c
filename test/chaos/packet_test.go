package chaos

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/internal/frames"
)

// Protocol numbers and header sizes.
const (
	protoICMP   = 1
	protoUDP    = 17
	protoFrag   = 44
	protoICMPv6 = 58

	sizeIPv4 = 20
	sizeIPv6 = 40
	sizeUDP  = 8
)

// header holds the fields of an IP packet that the fabric needs.
type header struct {
	src, dst netip.Addr
	proto    byte
	payload  int // where what follows the IP headers begins
	// part of a larger packet: the header of the protocol may be missing, and checksums are of the
	// whole
	fragment bool
}

// parse reads the headers of an IP packet. ok is false for what hosts of a fabric do not send each
// other.
func parse(b []byte) (h header, ok bool) {
	switch {
	case len(b) >= sizeIPv4 && b[0]>>4 == 4:
		h.payload = int(b[0]&15) * 4
		h.src, h.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		h.proto = b[9]
		h.fragment = binary.BigEndian.Uint16(b[6:])&0x3fff != 0
	case len(b) >= sizeIPv6 && b[0]>>4 == 6:
		h.payload = sizeIPv6
		h.src, h.dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		h.proto = b[6]
		if h.proto == protoFrag && len(b) >= sizeIPv6+8 {
			h.proto, h.payload, h.fragment = b[sizeIPv6], sizeIPv6+8, true
		}
	default:
		return h, false
	}
	return h, h.payload <= len(b) && !h.dst.IsMulticast()
}

// mayFragment reports whether a router may fragment b.
func (h header) mayFragment(b []byte) bool { return h.dst.Is4() && b[6]&0x40 == 0 }

// fragments splits an IPv4 packet into fragments of at most mtu bytes.
func fragments(b []byte, mtu int) (list [][]byte) {
	head := int(b[0]&15) * 4
	flags := binary.BigEndian.Uint16(b[6:])
	for at, n := head, (mtu-head)&^7; at < len(b); at += n {
		end := min(at+n, len(b))
		p := append(append(make([]byte, 0, head+end-at), b[:head]...), b[at:end]...)
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		f := flags + uint16(at-head)/8
		if end < len(b) {
			f |= 0x2000 // more follow
		}
		binary.BigEndian.PutUint16(p[6:], f)
		fixChecksums(p)
		list = append(list, p)
	}
	return list
}

// udp reports whether b is a whole UDP datagram with a payload.
func (h header) udp(b []byte) bool {
	return h.proto == protoUDP && !h.fragment && len(b) > h.payload+sizeUDP
}

// fixChecksums makes the checksums of a packet right again after it was changed.
func fixChecksums(b []byte) {
	h, ok := parse(b)
	if !ok {
		return
	}
	pseudo := frames.Sum(h.src.AsSlice(), frames.Sum(h.dst.AsSlice(), uint32(h.proto)+uint32(len(b)-h.payload)))
	if h.dst.Is4() {
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], frames.Checksum(frames.Sum(b[:h.payload], 0)))
	}
	if h.fragment {
		return
	}
	at := 0
	switch h.proto {
	case protoUDP:
		at = 6
	case protoICMPv6:
		at = 2
	case protoICMP:
		at, pseudo = 2, 0
	default:
		return
	}
	body := b[h.payload:]
	if len(body) < sizeUDP {
		return
	}
	body[at], body[at+1] = 0, 0
	c := frames.Checksum(frames.Sum(body, pseudo))
	if c == 0 && h.proto == protoUDP {
		c = 0xffff // 0 stands for no checksum
	}
	binary.BigEndian.PutUint16(body[at:], c)
}

func portAt(b []byte, at int) uint16 { return uint16(b[at])<<8 | uint16(b[at+1]) }

// rewrite replaces the source (0) or the destination (1) of a UDP datagram.
func rewrite(b []byte, h header, a netip.AddrPort, which int) {
	raw := a.Addr().AsSlice()
	at := 8
	if len(raw) == 4 {
		at = 12
	}
	copy(b[at+which*len(raw):], raw)
	at = h.payload + 2*which
	b[at], b[at+1] = byte(a.Port()>>8), byte(a.Port())
	fixChecksums(b)
}

// complaint is an ICMP message by its type and code, of each family.
type complaint struct {
	name         string
	type4, code4 byte
	type6, code6 byte
}

// Complaints of routers and hosts (RFC 792, RFC 1812, RFC 4443).
var (
	noRoute      = complaint{"no route", 3, 0, 1, 0}
	hostDown     = complaint{"host unreachable", 3, 1, 1, 3}
	noProtocol   = complaint{"protocol unreachable", 3, 2, 4, 1}
	noPort       = complaint{"port unreachable", 3, 3, 1, 4}
	prohibited   = complaint{"prohibited", 3, 13, 1, 1}
	timeExceeded = complaint{"time exceeded", 11, 0, 3, 0}
	tooBig       = complaint{"too big", 3, 4, 2, 0}
)

// about makes the ICMP message of a router about packet b. mtu counts for tooBig alone.
func (c complaint) about(router netip.Addr, b []byte, mtu int) []byte {
	h, _ := parse(b)
	quote := b[:min(len(b), h.payload+64)]
	var m []byte
	if h.src.Is4() {
		m = make([]byte, sizeIPv4+8, sizeIPv4+8+len(quote))
		m[0], m[8], m[9] = 0x45, 64, protoICMP
		binary.BigEndian.PutUint16(m[2:], uint16(cap(m)))
		r, to := router.As4(), h.src.As4()
		copy(m[12:], r[:])
		copy(m[16:], to[:])
		m[sizeIPv4], m[sizeIPv4+1] = c.type4, c.code4
		binary.BigEndian.PutUint16(m[sizeIPv4+6:], uint16(mtu))
	} else {
		m = make([]byte, sizeIPv6+8, sizeIPv6+8+len(quote))
		m[0], m[6], m[7] = 0x60, protoICMPv6, 64
		binary.BigEndian.PutUint16(m[4:], uint16(8+len(quote)))
		r, to := router.As16(), h.src.As16()
		copy(m[8:], r[:])
		copy(m[24:], to[:])
		m[sizeIPv6], m[sizeIPv6+1] = c.type6, c.code6
		binary.BigEndian.PutUint32(m[sizeIPv6+4:], uint32(mtu))
	}
	m = append(m, quote...)
	fixChecksums(m)
	return m
}

// Checksums are right after a change of the payload, of an address and of a port, and in what a
// router says about the packet.
func TestPacket(t *testing.T) {
	for _, c := range []struct{ src, dst, other string }{{"10.7.0.1", "10.7.0.2", "91.7.7.7"}, {"fd77::1", "fd77::2", "2a07:77::7"}} {
		src, dst := netip.MustParseAddr(c.src), netip.MustParseAddr(c.dst)
		b := datagram(src, dst, 9000, 9001, []byte("some payload"))
		h, ok := parse(b)
		if !ok || h.src != src || h.dst != dst || !h.udp(b) {
			t.Fatalf("%+v, %v", h, ok)
		}
		good(t, "datagram", b)
		b[len(b)-1] ^= 1
		if s := checksum(b); s == 0 {
			t.Errorf("%s: an altered payload has the right checksum", c.src)
		}
		fixChecksums(b)
		good(t, "altered payload", b)
		outer := netip.AddrPortFrom(netip.MustParseAddr(c.other), 40001)
		rewrite(b, h, outer, 0)
		good(t, "other source", b)
		if h, _ := parse(b); h.src != outer.Addr() || portAt(b, h.payload) != outer.Port() || h.dst != dst {
			t.Errorf("%+v after the source was rewritten", h)
		}
		m := hostDown.about(netip.MustParseAddr(c.dst), b, 0)
		good(t, "ICMP", m)
		if h, ok := parse(m); !ok || h.dst != outer.Addr() || h.proto != protoICMP && h.proto != protoICMPv6 {
			t.Errorf("ICMP: %+v, %v", h, ok)
		}
	}
}

// datagram makes a UDP datagram.
func datagram(src, dst netip.Addr, from, to uint16, payload []byte) []byte {
	u := make([]byte, sizeUDP, sizeUDP+len(payload))
	binary.BigEndian.PutUint16(u, from)
	binary.BigEndian.PutUint16(u[2:], to)
	binary.BigEndian.PutUint16(u[4:], uint16(sizeUDP+len(payload)))
	u = append(u, payload...)
	b := make([]byte, sizeIPv4, sizeIPv4+len(u))
	if src.Is4() {
		b[0], b[8], b[9] = 0x45, 64, protoUDP
		binary.BigEndian.PutUint16(b[2:], uint16(cap(b)))
		copy(b[12:], src.AsSlice())
		copy(b[16:], dst.AsSlice())
	} else {
		b = make([]byte, sizeIPv6, sizeIPv6+len(u))
		b[0], b[6], b[7] = 0x60, protoUDP, 64
		binary.BigEndian.PutUint16(b[4:], uint16(len(u)))
		copy(b[8:], src.AsSlice())
		copy(b[24:], dst.AsSlice())
	}
	b = append(b, u...)
	fixChecksums(b)
	return b
}

// checksum is what a receiver gets when it adds up the packet with its checksums: 0 if they are
// right.
func checksum(b []byte) uint16 {
	h, _ := parse(b)
	pseudo := frames.Sum(h.src.AsSlice(), frames.Sum(h.dst.AsSlice(), uint32(h.proto)+uint32(len(b)-h.payload)))
	if h.proto == protoICMP {
		pseudo = 0
	}
	s := frames.Checksum(frames.Sum(b[h.payload:], pseudo))
	if h.src.Is4() {
		s |= frames.Checksum(frames.Sum(b[:h.payload], 0))
	}
	return s
}

func good(t *testing.T, what string, b []byte) {
	t.Helper()
	if s := checksum(b); s != 0 {
		t.Errorf("%s: checksum is off by %04x", what, s)
	}
}
