package manypeers

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	etherSize  = 14
	headerSize = etherSize + 20 + 8 // Ethernet, IPv4 and UDP
)

// frame makes an Ethernet frame with a UDP datagram over IPv4, with both checksums.
func frame(to, from net.HardwareAddr, dst, src netip.AddrPort, payload []byte) []byte {
	f := make([]byte, headerSize+len(payload))
	copy(f, to)
	copy(f[6:], from)
	f[12] = 8 // IPv4
	ip, udp := f[etherSize:etherSize+20], f[etherSize+20:]
	d, s := dst.Addr().As4(), src.Addr().As4()
	ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, unix.IPPROTO_UDP // don't fragment
	binary.BigEndian.PutUint16(ip[2:], uint16(len(f)-etherSize))
	copy(ip[12:], s[:])
	copy(ip[16:], d[:])
	binary.BigEndian.PutUint16(ip[10:], checksum(sum(ip, 0)))
	binary.BigEndian.PutUint16(udp, src.Port())
	binary.BigEndian.PutUint16(udp[2:], dst.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	copy(udp[8:], payload)
	c := checksum(sum(udp, sum(ip[12:], uint32(unix.IPPROTO_UDP+len(udp)))))
	if c == 0 {
		c = 0xffff // 0 stands for no checksum
	}
	binary.BigEndian.PutUint16(udp[6:], c)
	return f
}

// sum adds the 16-bit words of b to s.
func sum(b []byte, s uint32) uint32 {
	for len(b) > 1 {
		s += uint32(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

// checksum is the ones' complement of a sum.
func checksum(s uint32) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}
