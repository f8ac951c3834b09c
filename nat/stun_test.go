package nat

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"net/netip"
	"testing"
	"time"
)

// The tests write STUN by hand, to test the library too.
const cookie = 0x2112a442

func attribute(typ uint16, value ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(value))), value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func message(typ uint16, id [12]byte, attributes ...[]byte) []byte {
	body := bytes.Join(attributes, nil)
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	b = binary.BigEndian.AppendUint32(b, cookie)
	return append(append(b, id[:]...), body...)
}

func xorMapped(a netip.AddrPort, id [12]byte) []byte {
	mask := append(binary.BigEndian.AppendUint32(nil, cookie), id[:]...)
	ip := a.Addr().AsSlice()
	for i := range ip {
		ip[i] ^= mask[i]
	}
	v := []byte{0, 1, 0, 0}
	if a.Addr().Is6() {
		v[1] = 2
	}
	binary.BigEndian.PutUint16(v[2:], a.Port()^cookie>>16)
	return attribute(0x0020, append(v, ip...)...)
}

func withFingerprint(m []byte, change uint32) []byte {
	binary.BigEndian.PutUint16(m[2:], uint16(len(m)-20+8))
	return append(m, attribute(0x8028, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(m)^0x5354554e^change)...)...)
}

var (
	testID     = [12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	testServer = netip.MustParseAddrPort("44.7.7.7:3478")
	mapped4    = netip.MustParseAddrPort("44.1.2.3:40001")
	mapped6    = netip.MustParseAddrPort("[2a00:1:2::3]:40002")
)

func TestTransaction(t *testing.T) {
	tx := transaction{ID: testID, Server: testServer}
	if got, want := tx.appendRequest([]byte("x")), append([]byte("x"), message(0x0001, testID)...); !bytes.Equal(got, want) {
		t.Errorf("request %x, want %x", got, want)
	}
	otherID := testID
	otherID[11]++
	mappedIn6 := netip.AddrPortFrom(netip.AddrFrom16(testServer.Addr().As16()), testServer.Port())
	good := message(0x0101, testID, attribute(0x8022, 'n', 'a', 'm', 'e', 's'), xorMapped(mapped4, testID))
	for _, c := range []struct {
		name   string
		packet []byte
		from   netip.AddrPort // zero: the server
		want   netip.AddrPort
		err    error
	}{
		{name: "IPv4", packet: good, want: mapped4},
		{name: "IPv6", packet: message(0x0101, testID, xorMapped(mapped6, testID)), want: mapped6},
		{name: "fingerprint", packet: withFingerprint(message(0x0101, testID, xorMapped(mapped4, testID)), 0), want: mapped4},
		{name: "source as mapped IPv4", packet: good, from: mappedIn6, want: mapped4},
		{name: "wrong fingerprint", packet: withFingerprint(message(0x0101, testID, xorMapped(mapped4, testID)), 1), err: ErrBadAnswer},
		{name: "other source", packet: good, from: netip.MustParseAddrPort("44.7.7.8:3478"), err: errNotAnswer},
		{name: "other source port", packet: good, from: netip.MustParseAddrPort("44.7.7.7:3479"), err: errNotAnswer},
		{name: "other transaction", packet: message(0x0101, otherID, xorMapped(mapped4, otherID)), err: errNotAnswer},
		{name: "no cookie", packet: bytes.Replace(good, []byte{0x21, 0x12, 0xa4, 0x42}, []byte{0x21, 0x12, 0xa4, 0x43}, 1), err: errNotAnswer},
		{name: "leading bits", packet: append([]byte{0x41}, good[1:]...), err: errNotAnswer},
		{name: "empty", err: errNotAnswer},
		{name: "half a header", packet: good[:19], err: errNotAnswer},
		{name: "our request sent back", packet: message(0x0001, testID), err: errNotAnswer},
		{name: "indication", packet: message(0x0011, testID), err: errNotAnswer},
		{name: "other method", packet: message(0x0103, testID, xorMapped(mapped4, testID)), err: ErrBadAnswer},
		{name: "truncated", packet: good[:len(good)-4], err: ErrBadAnswer},
		{name: "tail", packet: append(bytes.Clone(good), 0, 0, 0, 0), err: ErrBadAnswer},
		{name: "no address", packet: message(0x0101, testID), err: ErrBadAnswer},
		{name: "plain address only", packet: message(0x0101, testID, attribute(1, 0, 1, 0, 1, 44, 1, 2, 3)), err: ErrBadAnswer},
		{name: "short address", packet: message(0x0101, testID, attribute(0x20, 0, 1, 0, 1)), err: ErrBadAnswer},
		{name: "empty address", packet: message(0x0101, testID, attribute(0x20)), err: ErrBadAnswer},
		{name: "IPv6 in 4 bytes", packet: message(0x0101, testID, attribute(0x20, 0, 2, 0, 1, 1, 2, 3, 4)), err: ErrBadAnswer},
		{name: "IPv4 in 16 bytes", packet: message(0x0101, testID, attribute(0x20, append([]byte{0, 1, 0, 1}, make([]byte, 16)...)...)), err: ErrBadAnswer},
		{name: "unknown family", packet: message(0x0101, testID, attribute(0x20, 0, 3, 0, 1, 1, 2, 3, 4)), err: ErrBadAnswer},
		{name: "port 0", packet: message(0x0101, testID, xorMapped(netip.AddrPortFrom(mapped4.Addr(), 0), testID)), err: ErrBadAnswer},
		{name: "attribute beyond the end", packet: message(0x0101, testID, []byte{0, 0x20, 0xff, 0xff}), err: ErrBadAnswer},
		{name: "too large", packet: message(0x0101, testID, xorMapped(mapped4, testID), attribute(0x8022, make([]byte, 1300)...)), err: ErrTooLarge},
		{name: "error", packet: message(0x0111, testID, attribute(9, 0, 0, 5, 0, 'n', 'o', 0x1b)), err: ErrRefused},
		{name: "error without code", packet: message(0x0111, testID), err: ErrBadAnswer},
	} {
		from := c.from
		if !from.IsValid() {
			from = testServer
		}
		before := bytes.Clone(c.packet)
		got, err := tx.decode(c.packet, from)
		if got != c.want || !errors.Is(err, c.err) || !bytes.Equal(before, c.packet) {
			t.Errorf("%s: %v, %v; want %v, %v", c.name, got, err, c.want, c.err)
		}
		if recognized := tx.recognizes(c.packet, from); !recognized && !errors.Is(err, errNotAnswer) {
			t.Errorf("%s: not recognized, and %v", c.name, err)
		}
		var r *RefusedError
		if c.err == ErrRefused && (!errors.As(err, &r) || r.Code != 500 || r.Reason != "no.") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestTransactionVectors uses RFC 5769, Sections 2.2 and 2.3: IPv4 and IPv6 responses with software
// name, integrity and fingerprint.
func TestTransactionVectors(t *testing.T) {
	const id = "b7e7a701bc34d686fa87dfae"
	for _, c := range []struct{ packet, want string }{
		{"0101003c2112a442" + id + "8022000b7465737420766563746f7220" + "002000080001a147e112a643" +
			"000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7" + "80280004c07d4c96", "192.0.2.1:32853"},
		{"010100482112a442" + id + "8022000b7465737420766563746f7220" + "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9" +
			"00080014a382954e4be67bf11784c97c8292c275bfe3ed41" + "80280004c8fb0b4c", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"},
	} {
		packet, err := hex.DecodeString(c.packet)
		if err != nil {
			t.Fatal(err)
		}
		tx := transaction{Server: testServer, ID: [12]byte(packet[8:20])}
		if got, err := tx.decode(packet, testServer); err != nil || got.String() != c.want {
			t.Errorf("%v, %v; want %s", got, err, c.want)
		}
	}
}

func FuzzTransaction(f *testing.F) {
	f.Add(message(0x0101, testID, xorMapped(mapped4, testID)), true)
	f.Add(message(0x0101, testID, xorMapped(mapped6, testID)), true)
	f.Add(message(0x0111, testID, attribute(9, 0, 0, 4, 0)), true)
	f.Add(withFingerprint(message(0x0101, testID, xorMapped(mapped4, testID)), 0), false)
	tx := transaction{ID: testID, Server: testServer}
	f.Fuzz(func(t *testing.T, packet []byte, set bool) {
		if set && len(packet) >= 20 { // otherwise few inputs are recognized
			copy(packet[4:], message(0, testID)[4:20])
		}
		a, err := tx.decode(packet, testServer)
		if (err == nil) != a.IsValid() || err == nil && a.Port() == 0 {
			t.Fatalf("%v, %v", a, err)
		}
		for _, e := range []error{nil, errNotAnswer, ErrBadAnswer, ErrTooLarge, ErrRefused} {
			if errors.Is(err, e) {
				return
			}
		}
		t.Fatalf("error without kind: %v", err)
	})
}

// fakeSTUN is a server on loopback. reply returns the answers to a request with this ID.
func fakeSTUN(t *testing.T, at netip.Addr, reply func(id [12]byte, from netip.AddrPort) [][]byte) netip.AddrPort {
	return serveUDP(t, netip.AddrPortFrom(at, 0), func(b []byte, from netip.AddrPort) [][]byte {
		if len(b) != stunRequestSize || !bytes.Equal(b[:8], []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}) {
			return nil
		}
		return reply([12]byte(b[8:20]), from)
	})
}

func answering(a netip.AddrPort) func([12]byte, netip.AddrPort) [][]byte {
	return func(id [12]byte, _ netip.AddrPort) [][]byte { return [][]byte{message(0x0101, id, xorMapped(a, id))} }
}

func TestQuerySTUN(t *testing.T) {
	t.Parallel()
	v6 := netip.IPv6Loopback()
	lost := true
	for _, c := range []struct {
		name  string
		at    netip.Addr
		reply func([12]byte, netip.AddrPort) [][]byte
		want  netip.AddrPort
		err   error
	}{
		{"IPv4", loopback, answering(mapped4), mapped4, nil},
		{"IPv6", v6, answering(mapped6), mapped6, nil},
		{"lost request", loopback, func(id [12]byte, from netip.AddrPort) [][]byte {
			if lost {
				lost = false
				return nil
			}
			return answering(mapped4)(id, from)
		}, mapped4, nil},
		{"forged answers first", loopback, func(id [12]byte, _ netip.AddrPort) [][]byte {
			return [][]byte{[]byte("junk"), message(0x0101, testID, xorMapped(mapped6, testID)), message(0x0101, id, xorMapped(mapped4, id))}
		}, mapped4, nil},
		{"silent", loopback, func([12]byte, netip.AddrPort) [][]byte { return nil }, netip.AddrPort{}, ErrNoAnswer},
		{"refuses", loopback, func(id [12]byte, _ netip.AddrPort) [][]byte {
			return [][]byte{message(0x0111, id, attribute(9, 0, 0, 4, 20))}
		}, netip.AddrPort{}, ErrRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := fakeSTUN(t, c.at, c.reply)
			ctx := t.Context()
			if c.err == ErrNoAnswer {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 700*time.Millisecond)
				defer cancel()
			}
			got, err := QuerySTUN(ctx, rand.Reader, server)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%v, %v; want %v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestMapperSTUN(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		mapped  string
		ipv6    bool
		private bool
		want    string // endpoint
		err     error
	}{
		{name: "address, with the node's port", mapped: "44.1.2.3:40001", want: "44.1.2.3:9000"},
		{name: "IPv6", mapped: "[2a00::1]:40001", ipv6: true, want: "[2a00::1]:9000"},
		{name: "private address", mapped: "10.0.0.1:40001", err: ErrNotGlobal},
		{name: "private address allowed", mapped: "10.0.0.1:40001", private: true, want: "10.0.0.1:9000"},
		{name: "other family", mapped: "[2a00::1]:40001", err: ErrBadAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := loopback
			if c.ipv6 {
				at = netip.IPv6Loopback()
			}
			server := fakeSTUN(t, at, answering(netip.MustParseAddrPort(c.mapped)))
			m, events := mapper(t, Config{Method: STUN, Server: server.String()}, Options{IPv6: c.ipv6, AllowPrivate: c.private})
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			e := events.next(t)
			if !errors.Is(e.Err, c.err) || e.PortKnown || e.Method != STUN || c.want != "" && e.Endpoint.String() != c.want || c.want == "" && e.Endpoint.IsValid() {
				t.Errorf("%+v, want %s, %v", e, c.want, c.err)
			}
		})
	}
}

// TestSTUNResolve: the resolver gets the name and the family, and its result is checked.
func TestSTUNResolve(t *testing.T) {
	t.Parallel()
	server := fakeSTUN(t, loopback, answering(mapped4))
	for _, c := range []struct {
		name string
		give []netip.Addr
		err  error
		want error
	}{
		{"found", []netip.Addr{netip.IPv6Loopback(), netip.IPv4Unspecified(), netip.AddrFrom16(loopback.As16())}, nil, nil},
		{"wrong family only", []netip.Addr{netip.IPv6Loopback()}, nil, ErrNoAnswer},
		{"none", nil, nil, ErrNoAnswer},
		{"failed", nil, errDown, errDown},
	} {
		port := netip.AddrPortFrom(loopback, server.Port()).String()[len("127.0.0.1:"):]
		m, events := mapper(t, Config{Method: STUN, Server: "server.test:" + port}, Options{
			Resolve: func(_ context.Context, network, host string) ([]netip.Addr, error) {
				if network != "ip4" || host != "server.test" {
					t.Errorf("resolve %s %s", network, host)
				}
				return c.give, c.err
			},
		})
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := events.next(t); !errors.Is(e.Err, c.want) || e.Endpoint.IsValid() != (c.want == nil) {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}
