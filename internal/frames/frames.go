// Package frames makes Ethernet frames with UDP datagrams, and an XDP program that sends them one
// after another. Tests and measurements use it to make packets faster than sockets can.
package frames

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
)

// Sizes of headers in bytes.
const (
	EtherSize  = 14
	HeaderSize = EtherSize + 20 + 8 // Ethernet, IPv4 and UDP
)

// UDP4 makes a frame with a UDP datagram over IPv4, with both checksums. dst and src have IPv4
// addresses.
func UDP4(to, from net.HardwareAddr, dst, src netip.AddrPort, payload []byte) []byte {
	f := make([]byte, HeaderSize+len(payload))
	copy(f, to)
	copy(f[6:], from)
	f[12] = 8 // IPv4
	ip, udp := f[EtherSize:EtherSize+20], f[EtherSize+20:]
	d, s := dst.Addr().As4(), src.Addr().As4()
	ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, syscall.IPPROTO_UDP // don't fragment
	binary.BigEndian.PutUint16(ip[2:], uint16(len(f)-EtherSize))
	copy(ip[12:], s[:])
	copy(ip[16:], d[:])
	binary.BigEndian.PutUint16(ip[10:], Checksum(Sum(ip, 0)))
	binary.BigEndian.PutUint16(udp, src.Port())
	binary.BigEndian.PutUint16(udp[2:], dst.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	copy(udp[8:], payload)
	c := Checksum(Sum(udp, Sum(ip[12:], uint32(syscall.IPPROTO_UDP+len(udp)))))
	if c == 0 {
		c = 0xffff // 0 stands for no checksum
	}
	binary.BigEndian.PutUint16(udp[6:], c)
	return f
}

// Sum adds the 16-bit words of b to s. An odd last byte counts as the high one of a word.
func Sum(b []byte, s uint32) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

// Checksum returns the Internet checksum (RFC 1071) of a sum.
func Checksum(s uint32) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}
