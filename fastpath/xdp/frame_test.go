package xdp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

// Ethernet addresses of frames in tests.
var (
	nodeMAC = []byte{0x02, 0, 0, 0, 0, 2}
	peerMAC = []byte{0x02, 0, 0, 0, 0, 1}
)

// slowSum is a ones' complement sum as RFC 1071 describes it, for comparison with sum.
func slowSum(parts ...[]byte) uint16 {
	var acc uint32
	for _, b := range parts {
		for i := 0; i < len(b); i += 2 {
			acc += uint32(b[i]) << 8
			if i+1 < len(b) {
				acc += uint32(b[i+1])
			}
			acc = acc&0xffff + acc>>16
		}
	}
	return uint16(acc&0xffff + acc>>16)
}

// newFrame builds the frame of a datagram.
func newFrame(from, to netip.AddrPort, payload []byte) []byte {
	f := append(append([]byte{}, nodeMAC...), peerMAC...)
	src, dst := from.Addr().AsSlice(), to.Addr().AsSlice()
	length := udpLen + len(payload)
	udp := binary.BigEndian.AppendUint16(nil, from.Port())
	udp = binary.BigEndian.AppendUint16(udp, to.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(length))
	udp = append(append(udp, 0, 0), payload...)
	if from.Addr().Is4() {
		f = append(f, 8, 0, 0x45, 0)
		f = binary.BigEndian.AppendUint16(f, uint16(ipv4Len+length))
		f = append(f, 0x12, 0x34, 0x40, 0, 55, protocolUDP, 0, 0)
	} else {
		f = append(f, 0x86, 0xdd, 0x60, 1, 2, 3)
		f = binary.BigEndian.AppendUint16(f, uint16(length))
		f = append(f, protocolUDP, 55)
	}
	f = append(append(append(f, src...), dst...), udp...)
	return reseal(f)
}

// offsets returns where the addresses and the UDP header of a frame are.
func offsets(f []byte) (addrs, udp int) {
	if f[12] == 8 {
		return 26, 34
	}
	return 22, 54
}

// reseal fills in the checksums of a frame.
func reseal(f []byte) []byte {
	addrs, udp := offsets(f)
	if f[12] == 8 {
		f[24], f[25] = 0, 0
		binary.BigEndian.PutUint16(f[24:], ^slowSum(f[14:34]))
	}
	f[udp+6], f[udp+7] = 0, 0
	length := binary.BigEndian.Uint16(f[udp+4:])
	if int(length) > len(f)-udp {
		return f
	}
	s := ^slowSum(f[addrs:udp], []byte{0, protocolUDP, byte(length >> 8), byte(length)}, f[udp:udp+int(length)])
	if s == 0 {
		s = 0xffff
	}
	binary.BigEndian.PutUint16(f[udp+6:], s)
	return f
}

// partial replaces the UDP checksum of a frame with the sum of the pseudo-header, which a sender on
// this machine leaves there.
func partial(f []byte) []byte {
	addrs, udp := offsets(f)
	binary.BigEndian.PutUint16(f[udp+6:], slowSum(f[addrs:udp], []byte{0, protocolUDP}, f[udp+4:udp+6]))
	return f
}

var families = []struct {
	name     string
	from, to netip.AddrPort
}{
	{"IPv4", netip.MustParseAddrPort("192.0.2.7:30303"), netip.MustParseAddrPort("198.51.100.1:9000")},
	{"IPv6", netip.MustParseAddrPort("[2001:db8::7]:30303"), netip.MustParseAddrPort("[2001:db8:1::1]:9000")},
}

// text returns n bytes.
func text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// TestParseAndAnswer: a request is read, and its answer goes back the way it came, as an
// independent reading of the headers shows.
func TestParseAndAnswer(t *testing.T) {
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			for _, n := range []int{0, 1, 2, 63, 64, 65, 95, 731, 732, 733, 1279, 1280} {
				want := text(n)
				for name, f := range map[string][]byte{
					"whole sum":   newFrame(family.from, family.to, want),
					"partial sum": partial(newFrame(family.from, family.to, want)),
					"padded":      append(newFrame(family.from, family.to, want), make([]byte, 18)...),
				} {
					var o origin
					got, bad := o.parse(f)
					if bad != faultNone || !bytes.Equal(got, want) || o.from != family.from || o.to != family.to {
						t.Fatalf("%d bytes, %s: fault %d, %d bytes, %v to %v", n, name, bad, len(got), o.from, o.to)
					}
					answer := text(1280 - n)
					room := bytes.Repeat([]byte{0xaa}, frameSize)
					a := room[:o.write(room, answer)]
					checkAnswer(t, f, a, answer)
					if o.packetLen(len(answer)) != len(a)-etherLen {
						t.Errorf("packetLen = %d, the packet has %d bytes", o.packetLen(len(answer)), len(a)-etherLen)
					}
				}
			}
		})
	}
}

// checkAnswer checks all fields of the frame of an answer to a request.
func checkAnswer(t *testing.T, request, answer, payload []byte) {
	t.Helper()
	addrs, udp := offsets(request)
	ip := (udp - addrs) / 2 // length of an address
	switch {
	case !bytes.Equal(answer[:6], request[6:12]) || !bytes.Equal(answer[6:12], request[:6]):
		t.Fatal("Ethernet addresses are not swapped")
	case !bytes.Equal(answer[addrs:addrs+ip], request[addrs+ip:udp]) || !bytes.Equal(answer[addrs+ip:udp], request[addrs:addrs+ip]):
		t.Fatal("IP addresses are not swapped")
	case !bytes.Equal(answer[udp:udp+2], request[udp+2:udp+4]) || !bytes.Equal(answer[udp+2:udp+4], request[udp:udp+2]):
		t.Fatal("ports are not swapped")
	case !bytes.Equal(answer[udp+udpLen:], payload):
		t.Fatal("payload differs")
	case int(binary.BigEndian.Uint16(answer[udp+4:])) != udpLen+len(payload):
		t.Fatal("wrong UDP length")
	}
	length := answer[udp+4 : udp+6]
	if s := slowSum(answer[addrs:udp], []byte{0, protocolUDP}, length, answer[udp:]); s != 0xffff {
		t.Fatalf("UDP checksum: sum %#x", s)
	}
	if s := answer[udp+6 : udp+8]; s[0] == 0 && s[1] == 0 {
		t.Fatal("no UDP checksum")
	}
	if request[12] == 8 {
		fragment := []byte{0, 0, 0x40, 0, 64, 17} // DF, no identification
		if len(answer)-etherLen > 576 {
			fragment = []byte{payload[0], payload[1], 0, 0, 64, 17}
		}
		if !bytes.Equal(answer[12:16], []byte{8, 0, 0x45, 0}) || int(binary.BigEndian.Uint16(answer[16:])) != len(answer)-etherLen ||
			!bytes.Equal(answer[18:24], fragment) || slowSum(answer[14:34]) != 0xffff {
			t.Fatalf("IPv4 header % x", answer[12:34])
		}
		return
	}
	if !bytes.Equal(answer[12:18], []byte{0x86, 0xdd, 0x60, 0, 0, 0}) || !bytes.Equal(answer[20:22], []byte{17, 64}) ||
		int(binary.BigEndian.Uint16(answer[18:])) != len(answer)-etherLen-ipv6Len {
		t.Fatalf("IPv6 header % x", answer[12:54])
	}
}

// TestParseRefuses: frames that are not datagrams for the node, that state a wrong length, or whose
// source nobody can have.
func TestParseRefuses(t *testing.T) {
	type change func(f []byte, addrs, udp int) []byte
	set := func(at int, b ...byte) change {
		return func(f []byte, _, _ int) []byte { copy(f[at:], b); return f }
	}
	setUDP := func(at int, b ...byte) change {
		return func(f []byte, _, udp int) []byte { copy(f[udp+at:], b); return reseal(f) }
	}
	source := func(a string) change {
		return func(f []byte, addrs, _ int) []byte {
			copy(f[addrs:], netip.MustParseAddr(a).AsSlice())
			return reseal(f)
		}
	}
	cases := []struct {
		name   string
		family string // empty: both
		change change
		want   fault
	}{
		{"a multicast sender", "", set(6, 0x01), faultSource},
		{"no sender", "", set(6, 0, 0, 0, 0, 0, 0), faultSource},
		{"a broadcast frame", "", set(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), faultSource},
		{"a VLAN tag", "", set(12, 0x81, 0x00), faultFormat},
		{"ARP", "", set(12, 0x08, 0x06), faultFormat},
		{"a wrong UDP checksum", "", func(f []byte, _, udp int) []byte { f[udp+7]++; return f }, faultChecksum},
		{"a changed payload", "", func(f []byte, _, udp int) []byte { f[udp+udpLen]++; return f }, faultChecksum},
		{"port 0", "", setUDP(0, 0, 0), faultSource},
		{"a UDP length below 8", "", setUDP(4, 0, 7), faultFormat},
		{"a UDP length above the packet", "", setUDP(4, 0xff, 0xff), faultFormat},
		{"a UDP length below the packet", "", setUDP(4, 0, 9), faultFormat},
		{"cut in the payload", "", func(f []byte, _, _ int) []byte { return f[:len(f)-1] }, faultFormat},
		{"cut in the UDP header", "", func(f []byte, _, udp int) []byte { return f[:udp+7] }, faultFormat},
		{"cut in the IP header", "", func(f []byte, addrs, _ int) []byte { return f[:addrs+2] }, faultFormat},
		{"empty", "", func([]byte, int, int) []byte { return nil }, faultFormat},

		{"options", "IPv4", set(14, 0x46), faultFormat},
		{"version 6 in type IPv4", "IPv4", set(14, 0x65), faultFormat},
		{"more fragments", "IPv4", func(f []byte, _, _ int) []byte { f[20] = 0x20; return reseal(f) }, faultFormat},
		{"a later fragment", "IPv4", func(f []byte, _, _ int) []byte { f[20], f[21] = 0, 9; return reseal(f) }, faultFormat},
		{"TCP over IPv4", "IPv4", func(f []byte, _, _ int) []byte { f[23] = 6; return reseal(f) }, faultFormat},
		{"a wrong header checksum", "IPv4", func(f []byte, _, _ int) []byte { f[22]--; return f }, faultChecksum},
		{"total length above the frame", "IPv4", func(f []byte, _, _ int) []byte { f[16] = 0x7f; return reseal(f) }, faultFormat},
		{"total length 0", "IPv4", func(f []byte, _, _ int) []byte { f[16], f[17] = 0, 0; return reseal(f) }, faultFormat},
		{"source 0.0.0.0", "IPv4", source("0.0.0.0"), faultSource},
		{"source 0.1.2.3", "IPv4", source("0.1.2.3"), faultSource},
		{"source loopback", "IPv4", source("127.9.9.9"), faultSource},
		{"source multicast", "IPv4", source("224.0.0.251"), faultSource},
		{"source reserved", "IPv4", source("240.0.0.1"), faultSource},
		{"source broadcast", "IPv4", source("255.255.255.255"), faultSource},

		{"version 4 in type IPv6", "IPv6", set(14, 0x45), faultFormat},
		{"a hop-by-hop header", "IPv6", set(20, 0), faultFormat},
		{"a fragment header", "IPv6", set(20, 44), faultFormat},
		{"payload length above the frame", "IPv6", set(18, 0x7f), faultFormat},
		{"no UDP checksum", "IPv6", func(f []byte, _, udp int) []byte { f[udp+6], f[udp+7] = 0, 0; return f }, faultChecksum},
		{"source ::", "IPv6", source("::"), faultSource},
		{"source ::1", "IPv6", source("::1"), faultSource},
		{"source multicast", "IPv6", source("ff02::1"), faultSource},
		{"source IPv4-mapped", "IPv6", source("::ffff:192.0.2.7"), faultSource},
	}
	for _, family := range families {
		for _, c := range cases {
			if c.family != "" && c.family != family.name {
				continue
			}
			t.Run(family.name+"/"+c.name, func(t *testing.T) {
				f := newFrame(family.from, family.to, text(100))
				addrs, udp := offsets(f)
				var o origin
				if b, bad := o.parse(c.change(f, addrs, udp)); bad != c.want || b != nil {
					t.Errorf("fault %d with %d bytes, want %d", bad, len(b), c.want)
				}
			})
		}
	}
}

// TestNoChecksum: IPv4 allows a datagram without a checksum.
func TestNoChecksum(t *testing.T) {
	f := newFrame(families[0].from, families[0].to, text(70))
	f[40], f[41] = 0, 0
	var o origin
	if _, bad := o.parse(f); bad != faultNone {
		t.Errorf("fault %d", bad)
	}
}

// TestZeroChecksum: an answer whose sum is 0 has 0xffff in its field, because 0 means none.
func TestZeroChecksum(t *testing.T) {
	for _, family := range families {
		var o origin
		if _, bad := o.parse(newFrame(family.from, family.to, text(70))); bad != faultNone {
			t.Fatal(bad)
		}
		// The last two bytes make the rest of the sum complete.
		answer, room := make([]byte, 64), make([]byte, frameSize)
		n := o.write(room, answer)
		_, udp := offsets(room)
		copy(answer[62:], room[udp+6:udp+8])
		n = o.write(room, answer[:n-udp-udpLen])
		if got := binary.BigEndian.Uint16(room[udp+6:]); got != 0xffff || n != udp+udpLen+64 {
			t.Errorf("%s: checksum %#x", family.name, got)
		}
	}
}

func TestSum(t *testing.T) {
	for n := range 200 {
		b := text(n)
		for i := range b {
			b[i] |= byte(0x80 >> (i % 3))
		}
		got := fold(sum(b, 0))
		var wire [2]byte
		binary.NativeEndian.PutUint16(wire[:], got)
		if want := slowSum(b); binary.BigEndian.Uint16(wire[:]) != want {
			t.Errorf("%d bytes: %#x, want %#x", n, wire, want)
		}
	}
	carry := bytes.Repeat([]byte{0xff}, 4096)
	if got := fold(sum(carry, 1<<64-1)); got != 0xffff {
		t.Errorf("all ones: %#x", got)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	f, room, answer := newFrame(families[1].from, families[1].to, text(100)), make([]byte, frameSize), text(110)
	var o origin
	if n := testing.AllocsPerRun(100, func() {
		if _, bad := o.parse(f); bad != faultNone {
			t.Fatal(bad)
		}
		o.write(room, answer)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzFrame: no frame makes parse panic or read beyond itself, an accepted one says the same as its
// headers, and its answer is right.
func FuzzFrame(f *testing.F) {
	for _, family := range families {
		f.Add(newFrame(family.from, family.to, text(63)), []byte("answer"))
		f.Add(partial(newFrame(family.from, family.to, text(1280))), text(1280))
		f.Add(newFrame(family.from, family.to, nil)[:40], []byte{})
	}
	f.Fuzz(func(t *testing.T, frame, answer []byte) {
		frame = frame[:len(frame):len(frame)]
		before := bytes.Clone(frame)
		var o origin
		b, bad := o.parse(frame)
		if !bytes.Equal(before, frame) {
			t.Fatal("parse has changed the frame")
		}
		if bad != faultNone {
			if b != nil {
				t.Fatal("a datagram and a fault")
			}
			return
		}
		addrs, udp := offsets(frame)
		size := (udp - addrs) / 2
		from, _ := netip.AddrFromSlice(frame[addrs : addrs+size])
		if o.from != netip.AddrPortFrom(from, binary.BigEndian.Uint16(frame[udp:])) || o.from.Port() == 0 || from.IsMulticast() || from.IsUnspecified() {
			t.Fatalf("source %v", o.from)
		}
		if n := int(binary.BigEndian.Uint16(frame[udp+4:])); n != udpLen+len(b) || !bytes.Equal(b, frame[udp+udpLen:udp+n]) {
			t.Fatalf("%d bytes of %d", len(b), n)
		}
		answer = answer[:min(len(answer), frameSize-head6)]
		room := make([]byte, frameSize)
		checkAnswer(t, frame, room[:o.write(room, answer)], answer)
	})
}
