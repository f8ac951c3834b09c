package enr

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// oddEntries are optional entries whose values do not fit their keys, as some programs publish
// them. value is RLP.
var oddEntries = []struct {
	name, key, value string
	want             error
}{
	{"udp of 0", "udp", num(0), ErrPortZero},
	{"udp6 of 0", "udp6", num(0), ErrPortZero},
	{"tcp of 0", "tcp", num(0), ErrPortZero},
	{"tcp6 of 0", "tcp6", num(0), ErrPortZero},
	{"quic of 0", "quic", num(0), ErrPortZero},
	{"udp of 65536", "udp", num(65536), ErrPortRange},
	{"udp of 70000", "udp", num(70000), ErrPortRange},
	{"tcp of 70000", "tcp", num(70000), ErrPortRange},
	{"tcp6 of 70000", "tcp6", num(70000), ErrPortRange},
	{"quic6 of 70000", "quic6", num(70000), ErrPortRange},
	{"tcp as text", "tcp", str("30303"), ErrPortRange},
	{"tcp as long text", "tcp", str("port 30303"), ErrPortRange},
	{"udp of 8 bytes", "udp", str("\x00\x00\x00\x00\x00\x00\x23\x28"), ErrPortEncoding},
	{"udp zero as byte", "udp", "\x00", ErrPortEncoding},
	{"udp6 with leading zero", "udp6", str("\x00\x50"), ErrPortEncoding},
	{"tcp is a list", "tcp", list(num(80)), ErrPortEncoding},
	{"udp is an empty list", "udp", list(), ErrPortEncoding},
	{"udp6 of 9 bytes", "udp6", str("\x01" + strings.Repeat("\x00", 8)), ErrPortRange},
	{"ip empty", "ip", str(""), ErrIPSize},
	{"ip of 1 byte", "ip", "\x7f", ErrIPSize},
	{"ip of 3 bytes", "ip", str("\xc0\x00\x02"), ErrIPSize},
	{"ip of 16 bytes", "ip", str(strings.Repeat("\x00", 10) + "\xff\xff\xc0\x00\x02\x01"), ErrIPSize},
	{"ip as text", "ip", str("192.0.2.1"), ErrIPSize},
	{"ip is a list", "ip", list(num(1), num(1), num(1), num(1)), ErrIPSize},
	{"ip6 empty", "ip6", str(""), ErrIP6Size},
	{"ip6 of 4 bytes", "ip6", str("\xc0\x00\x02\x01"), ErrIP6Size},
	{"ip6 of 17 bytes", "ip6", str(strings.Repeat("\x20", 17)), ErrIP6Size},
	{"ip6 is a list", "ip6", list(), ErrIP6Size},
	{"ip6 IPv4-mapped", "ip6", str(strings.Repeat("\x00", 10) + "\xff\xff\xc0\x00\x02\x01"), ErrIP6Mapped},
	{"eth2 of 15 bytes", "eth2", str(strings.Repeat("e", 15)), ErrValueSize},
	{"eth2 is a list", "eth2", list(), ErrValueSize},
	{"attnets of 9 bytes", "attnets", str(strings.Repeat("\xff", 9)), ErrValueSize},
	{"syncnets empty", "syncnets", str(""), ErrValueSize},
	{"syncnets of more than four bits", "syncnets", "\x10", ErrValueBits},
	{"cgc with leading zero", "cgc", str("\x00\x04"), ErrValueInteger},
	{"cgc is a list", "cgc", list(), ErrValueInteger},
	{"nfd of 3 bytes", "nfd", str("abc"), ErrValueSize},
	{"client of one string", "client", list(str("name")), ErrClient},
	{"client of four strings", "client", list(str("a"), str("b"), str("c"), str("d")), ErrClient},
	{"client with a list in it", "client", list(str("a"), list()), ErrClient},
}

// signedWith returns a validly signed record with ip 192.0.2.1, ip6 2001:db8::1, all ports, and key
// set to value.
func signedWith(t testing.TB, key, value string) *Record {
	t.Helper()
	b := NewBuilder().SetSeq(5).
		SetIP(netip.MustParseAddr("192.0.2.1")).SetIP(netip.MustParseAddr("2001:db8::1")).
		SetUDP(9000).SetUDP6(9090).SetTCP(9001).SetTCP6(9091).SetQUIC(9002).SetQUIC6(9092)
	b.Set(key, []byte(value))
	for i := range b.pairs {
		b.pairs[i].kept = true // as if Edit had taken it from a record, so that Sign accepts it
	}
	r, err := b.Sign(testKey(t, 7))
	if err != nil {
		t.Fatalf("%s = %x: %v", key, value, err)
	}
	return r
}

// TestOddEntryReadsAsAbsent: an optional entry that does not fit reads as absent and has its own
// verdict. Identity, bytes and other entries are unaffected.
func TestOddEntryReadsAsAbsent(t *testing.T) {
	ports := map[string]uint16{"udp": 9000, "udp6": 9090, "tcp": 9001, "tcp6": 9091, "quic": 9002, "quic6": 9092}
	for _, c := range oddEntries {
		t.Run(c.name, func(t *testing.T) {
			made := signedWith(t, c.key, c.value)
			r, err := Parse(made.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if r.ID() != testKey(t, 7).ID() || r.Seq() != 5 || !bytes.Equal(r.Bytes(), made.Bytes()) {
				t.Errorf("node %s, seq %d, bytes %x", r.ID(), r.Seq(), r.Bytes())
			}
			if _, rest, err := SplitView(append(bytes.Clone(r.Bytes()), 1)); err != nil || len(rest) != 1 {
				t.Errorf("in a list: rest %x, %v", rest, err)
			}
			if again, err := ParseText(r.String()); err != nil || !again.Equal(r.View()) {
				t.Errorf("text: %v", err)
			}
			if value, ok := r.Get(c.key); !ok || string(value) != c.value {
				t.Errorf("Get: %x, %v", value, ok)
			}

			var entry *EntryError
			if err := r.Check(c.key); !errors.Is(err, c.want) || !errors.As(err, &entry) || entry.Key != c.key ||
				!strings.Contains(err.Error(), c.key) {
				t.Errorf("Check: %v, want %v", err, c.want)
			}
			var bad []string
			for e := range r.BadEntries() {
				bad = append(bad, e.Key)
			}
			if len(bad) != 1 || bad[0] != c.key {
				t.Errorf("bad entries %q", bad)
			}

			want := func(key string) uint16 {
				switch {
				case key != c.key:
					return ports[key]
				case key == "udp6" || key == "tcp6": // absent, so the port of IPv4 counts
					return ports[strings.TrimSuffix(key, "6")]
				}
				return 0
			}
			for key, get := range map[string]func() (uint16, bool){
				"udp": r.UDP, "udp6": r.UDP6, "tcp": r.TCP, "tcp6": r.TCP6, "quic": r.QUIC, "quic6": r.QUIC6,
			} {
				if got, ok := get(); got != want(key) || ok != (got != 0) {
					t.Errorf("%s reads as %d, %v; want %d", key, got, ok, want(key))
				}
			}
			if _, ok := r.IP4(); ok != (c.key != "ip") {
				t.Errorf("ip reads as present: %v", ok)
			}
			if _, ok := r.IP6(); ok != (c.key != "ip6") {
				t.Errorf("ip6 reads as present: %v", ok)
			}
			// A bad entry of one family does not affect the other.
			if a, ok := r.UDPEndpoint4(); ok != (c.key != "ip" && c.key != "udp") || ok && a.String() != "192.0.2.1:9000" {
				t.Errorf("IPv4 endpoint %v, %v", a, ok)
			}
			if a, ok := r.UDPEndpoint6(); ok != (c.key != "ip6") || ok && a.Port() != want("udp6") {
				t.Errorf("IPv6 endpoint %v, %v", a, ok)
			}
			for key, ok := range map[string]bool{
				"eth2": second(r.Eth2()), "attnets": second(r.Attnets()), "syncnets": second(r.Syncnets()),
				"cgc": second(r.CustodyGroupCount()), "nfd": second(r.NextForkDigest()),
			} {
				if ok {
					t.Errorf("%s reads as present", key)
				}
			}

			// The owner of such a record, or a tool, changes another entry.
			next, err := r.Edit().SetString("z", "new").Sign(testKey(t, 7))
			if err != nil {
				t.Fatalf("edited: %v", err)
			}
			if value, _ := next.Get(c.key); string(value) != c.value {
				t.Errorf("edited: %x", value)
			}
		})
	}
}

func second[T any](_ T, ok bool) bool { return ok }

func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, key, value string }{
		{"largest port", "udp", num(65535)},
		{"smallest port", "tcp", num(1)},
		{"any address of 4 bytes", "ip", str("\x00\x00\x00\x00")},
		{"any address of 16 bytes", "ip6", str(strings.Repeat("\x00", 16))},
		{"eth2", "eth2", str(strings.Repeat("e", 16))},
		{"attnets", "attnets", str(strings.Repeat("\x00", 8))},
		{"syncnets of no subnet", "syncnets", "\x00"},
		{"syncnets of all subnets", "syncnets", "\x0f"},
		{"cgc of 0", "cgc", num(0)},
		{"cgc of 128", "cgc", num(128)},
		{"nfd", "nfd", str("\x00\x00\x00\x00")},
		{"client as list", "client", list(str("name"), str("1.0"))},
		{"client with build", "client", list(str("name"), str("1.0"), str("abc"))},
		{"client as text", "client", str("name/1.0")},
		{"another key", "zz", list(list())},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := signedWith(t, c.key, c.value)
			if err := r.Check(c.key); err != nil {
				t.Error(err)
			}
			for e := range r.BadEntries() {
				t.Error(e)
			}
			for _, absent := range []string{"", "zzz", "et"} {
				if err := r.Check(absent); err != ErrNoEntry {
					t.Errorf("%q: %v", absent, err)
				}
			}
		})
	}
	r := signedWith(t, "cgc", num(300))
	if n, ok := r.CustodyGroupCount(); !ok || n != 300 {
		t.Errorf("cgc %d, %v", n, ok)
	}
	r = signedWith(t, "nfd", str("abcd"))
	if d, ok := r.NextForkDigest(); !ok || string(d[:]) != "abcd" {
		t.Errorf("nfd %x, %v", d, ok)
	}
	r = signedWith(t, "syncnets", "\x05")
	if s, ok := r.Syncnets(); !ok || s != 5 {
		t.Errorf("syncnets %x, %v", s, ok)
	}
}

// TestEntryErrorText: a key can be any bytes; the error that quotes it stays short and readable.
func TestEntryErrorText(t *testing.T) {
	e := &EntryError{Key: "a\x00" + strings.Repeat("\n", 280), Err: ErrPortZero}
	if text := e.Error(); len(text) > 160 || strings.ContainsAny(text, "\x00\n") {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}

// TestOddEntryDoesNotExcuseTheRecord: optional entries do not relax the strict rules for the whole
// record.
func TestOddEntryDoesNotExcuseTheRecord(t *testing.T) {
	odd := signedWith(t, "udp", num(0))
	for name, change := range map[string]func([]byte){
		"signature": func(b []byte) { b[10] ^= 1 },
		"content":   func(b []byte) { b[len(b)-1] ^= 1 },
	} {
		b := bytes.Clone(odd.Bytes())
		change(b)
		if _, err := Parse(b); err != ErrBadSignature {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	for _, c := range []struct {
		name, key, value string
		want             error
	}{
		{"value not canonical", "udp", "\x81\x05", ErrNonCanonical},
		{"long header", "tcp", "\xb8\x01\xff", ErrNonCanonical},
		{"inside of a list", "ip", list("\x81\x05"), ErrNonCanonical},
		{"cut inside of a list", "client", list("\x82\x05"), ErrTruncated},
	} {
		b := list(str(strings.Repeat("s", 64)), num(1), str(c.key), c.value)
		if _, err := ParseView([]byte(b)); err != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCheckUDP(t *testing.T) {
	ip4, ip6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		name string
		b    *Builder
		want string // part of the error; "" for none
	}{
		{"IPv4", NewBuilder().SetIP(ip4).SetUDP(1), ""},
		{"IPv6", NewBuilder().SetIP(ip6).SetUDP6(1), ""},
		{"IPv6 with the port of IPv4", NewBuilder().SetIP(ip6).SetUDP(1), ""},
		{"nothing", NewBuilder(), "no ip and no ip6"},
		{"port without address", NewBuilder().SetUDP(1), "no ip and no ip6"},
		{"address without port", NewBuilder().SetIP(ip4).SetTCP(1), "it has no udp"},
		{"IPv4 with the port of IPv6", NewBuilder().SetIP(ip4).SetUDP6(1), "it has no udp"},
		{"IPv6 address without port", NewBuilder().SetIP(ip6).SetTCP(1), "no udp6 and no udp"},
	} {
		r, err := c.b.Sign(testKey(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		err = r.CheckUDP()
		if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, ErrNoUDP) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	b := NewBuilder().SetIP(ip4).Set("udp", []byte(num(0)))
	for i := range b.pairs {
		b.pairs[i].kept = true
	}
	odd, err := b.Sign(testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := odd.CheckUDP(); !errors.Is(err, ErrNoUDP) || !errors.Is(err, ErrPortZero) || !strings.Contains(err.Error(), `"udp"`) {
		t.Errorf("udp of 0: %v", err)
	}
}
