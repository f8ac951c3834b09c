package frames

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
)

// TestUDP4: a receiver accepts the checksums, and finds addresses, ports and payload.
func TestUDP4(t *testing.T) {
	to, from := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	dst, src := netip.MustParseAddrPort("10.8.1.2:9000"), netip.MustParseAddrPort("10.9.63.255:30303")
	for _, n := range []int{0, 1, 63, 94, 95, 1280} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		f := UDP4(to, from, dst, src, payload)
		if len(f) != HeaderSize+n || string(f[HeaderSize:]) != string(payload) {
			t.Fatalf("%d bytes: a frame of %d", n, len(f))
		}
		if string(f[:6]) != string(to) || string(f[6:12]) != string(from) {
			t.Errorf("%d bytes: hardware addresses % x", n, f[:12])
		}
		ip, udp := f[14:34], f[34:]
		if got := Checksum(Sum(ip, 0)); got != 0 {
			t.Errorf("%d bytes: the IPv4 checksum leaves %#x", n, got)
		}
		if got := Checksum(Sum(udp, Sum(ip[12:], uint32(17+len(udp))))); got != 0 {
			t.Errorf("%d bytes: the UDP checksum leaves %#x", n, got)
		}
		s, d := netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		if s != src.Addr() || d != dst.Addr() || binary.BigEndian.Uint16(udp) != 30303 || binary.BigEndian.Uint16(udp[2:]) != 9000 {
			t.Errorf("%d bytes: from %v to %v, ports % x", n, s, d, udp[:4])
		}
	}
}
