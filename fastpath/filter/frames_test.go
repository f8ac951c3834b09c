package filter

import (
	"encoding/binary"
	"net/netip"
)

// frame describes an Ethernet frame with a UDP datagram.
type frame struct {
	from, to netip.AddrPort
	payload  int

	options   int    // bytes of IPv4 options
	fragment  uint16 // flags and offset of IPv4, offset and flag of an IPv6 fragment header
	headers   []byte // types of IPv6 extension headers
	protocol  byte   // 0 is UDP
	etherType uint16 // 0 is that of the address
	udpLen    int    // 0 is the right one
}

// bytes builds the frame.
func (f frame) bytes() []byte {
	proto := f.protocol
	if proto == 0 {
		proto = 17
	}
	udp := binary.BigEndian.AppendUint16(nil, f.from.Port())
	udp = binary.BigEndian.AppendUint16(udp, f.to.Port())
	n := f.udpLen
	if n == 0 {
		n = 8 + f.payload
	}
	udp = binary.BigEndian.AppendUint16(udp, uint16(n))
	udp = append(udp, 0, 0)
	udp = append(udp, make([]byte, f.payload)...)

	ether, ip := uint16(0x0800), []byte(nil)
	if f.from.Addr().Is4() {
		ip = append(ip, byte(0x45+f.options/4), 0)
		ip = binary.BigEndian.AppendUint16(ip, uint16(20+f.options+len(udp)))
		ip = append(ip, 0, 0)
		ip = binary.BigEndian.AppendUint16(ip, f.fragment)
		ip = append(ip, 64, proto, 0, 0)
		ip = append(ip, f.from.Addr().AsSlice()...)
		ip = append(ip, f.to.Addr().AsSlice()...)
		ip = append(ip, make([]byte, f.options)...)
		for i := range f.options {
			ip[20+i] = 1 // no operation
		}
	} else {
		ether = 0x86dd
		var ext []byte
		for i, h := range f.headers {
			next := proto
			if i+1 < len(f.headers) {
				next = f.headers[i+1]
			}
			switch {
			case h == 44:
				ext = append(ext, next, 0)
				ext = binary.BigEndian.AppendUint16(ext, f.fragment)
				ext = append(ext, 0, 0, 0, 1)
			case i%2 == 0: // 8 bytes
				ext = append(ext, next, 0, 1, 4, 0, 0, 0, 0)
			default: // 24 bytes
				ext = append(ext, next, 2)
				ext = append(ext, make([]byte, 22)...)
			}
		}
		first := proto
		if len(f.headers) > 0 {
			first = f.headers[0]
		}
		ip = append(ip, 0x60, 0, 0, 0)
		ip = binary.BigEndian.AppendUint16(ip, uint16(len(ext)+len(udp)))
		ip = append(ip, first, 64)
		from, to := f.from.Addr().As16(), f.to.Addr().As16()
		ip = append(ip, from[:]...)
		ip = append(ip, to[:]...)
		ip = append(ip, ext...)
	}
	if f.etherType != 0 {
		ether = f.etherType
	}
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	b = binary.BigEndian.AppendUint16(b, ether)
	b = append(b, ip...)
	return append(b, udp...)
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
