package diff

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	gethenr "github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/fastdisc/discv5/enr"
)

// readings are the entries that the two sides read differently from a record that both accept, with
// reasons.
var readings = map[string]string{
	"ip6 IPv4-mapped":   "no rule for IPv6 may meet an IPv4 address; theirs reads it",
	"udp6 or tcp6 is 0": "the entry counts as absent, and udp or tcp as the port; theirs reads 0",
}

// reading is an entry that is read differently.
type reading struct{ name, text string }

// readingDifferences compares how both read the entries that enr.md defines, and quic and quic6.
func readingDifferences(ours *enr.Record, theirs *enode.Node) (list []reading) {
	load := func(e gethenr.Entry) bool { return theirs.Load(e) == nil }
	var ip4, ip6 netip.Addr
	if got, ok := ours.IP4(); ok != load((*gethenr.IPv4Addr)(&ip4)) || got != ip4 {
		list = append(list, reading{"ip", fmt.Sprintf("ip %v, theirs %v", got, ip4)})
	}
	if got, ok := ours.IP6(); ok != load((*gethenr.IPv6Addr)(&ip6)) || got != ip6 {
		name := "ip6"
		if !ok && ip6.Is4In6() {
			name = "ip6 IPv4-mapped"
		}
		list = append(list, reading{name, fmt.Sprintf("ip6 %v, theirs %v", got, ip6)})
	}
	for _, p := range []struct {
		name     string
		get      func() (uint16, bool)
		fallback string
	}{
		{"udp", ours.UDP, ""}, {"tcp", ours.TCP, ""}, {"udp6", ours.UDP6, "udp"}, {"tcp6", ours.TCP6, "tcp"}, {"quic", ours.QUIC, ""}, {"quic6", ours.QUIC6, ""},
	} {
		var want uint16
		found := load(gethenr.WithEntry(p.name, &want))
		zero := found && want == 0 && p.fallback != ""
		if !found && p.fallback != "" {
			load(gethenr.WithEntry(p.fallback, &want))
		}
		if got, ok := p.get(); got != want || ok != (want != 0) {
			name := p.name
			if zero {
				name = "udp6 or tcp6 is 0"
			}
			list = append(list, reading{name, fmt.Sprintf("%s %d %v, theirs %d", p.name, got, ok, want)})
		}
	}
	return list
}

// oddRecords are records that real programs publish or that an attacker could, with valid
// signatures unless the name says otherwise. difference names the entry of differences that
// explains why only one side accepts the record. reading names the entry of readings that the sides
// read differently. If both are empty, the sides agree, and accept is their verdict.
var oddRecords = []struct {
	name       string
	record     []byte
	accept     bool
	difference string
	reading    string
}{
	{name: "nothing but id and key", record: signed(), accept: true},
	{name: "udp of 0", record: signed(pair{"udp", "\x80"}), accept: true},
	{name: "udp6 of 0 beside a good udp", record: signed(pair{"udp", "\x82\x23\x28"}, pair{"udp6", "\x80"}), accept: true, reading: "udp6 or tcp6 is 0"},
	{name: "udp6 of 0 alone", record: signed(pair{"udp6", "\x80"}), accept: true},
	{name: "tcp6 of 0 beside a good tcp", record: signed(pair{"tcp", "\x05"}, pair{"tcp6", "\x80"}), accept: true, reading: "udp6 or tcp6 is 0"},
	{name: "udp of 70000", record: signed(pair{"udp", "\x83\x01\x11\x70"}), accept: true},
	{name: "tcp of 70000", record: signed(pair{"tcp", "\x83\x01\x11\x70"}), accept: true},
	{name: "tcp6 of 70000 beside a good tcp", record: signed(pair{"tcp", "\x05"}, pair{"tcp6", "\x83\x01\x11\x70"}), accept: true},
	{name: "tcp as text", record: signed(pair{"tcp", "\x8530303"}), accept: true},
	{name: "tcp as text of two digits", record: signed(pair{"tcp", "\x8280"}), accept: true},
	{name: "udp with leading zero", record: signed(pair{"udp", "\x82\x00\x50"}), accept: true},
	{name: "udp zero as byte", record: signed(pair{"udp", "\x00"}), accept: true},
	{name: "udp of 9 bytes", record: signed(pair{"udp", "\x89\x01\x00\x00\x00\x00\x00\x00\x00\x00"}), accept: true},
	{name: "udp is a list", record: signed(pair{"udp", "\xc1\x05"}), accept: true},
	{name: "udp is an empty list", record: signed(pair{"udp", "\xc0"}), accept: true},
	{name: "quic of 0", record: signed(pair{"quic", "\x80"}), accept: true},
	{name: "quic6 is a list", record: signed(pair{"quic6", "\xc0"}), accept: true},
	{name: "ip empty", record: signed(pair{"ip", "\x80"}), accept: true},
	{name: "ip of 3 bytes", record: signed(pair{"ip", "\x83\x01\x02\x03"}), accept: true},
	{name: "ip of 16 bytes", record: signed(pair{"ip", "\x90" + strings.Repeat("\x20", 16)}), accept: true},
	{name: "ip as text", record: signed(pair{"ip", "\x871.2.3.4"}), accept: true},
	{name: "ip is a list", record: signed(pair{"ip", "\xc4\x01\x02\x03\x04"}), accept: true},
	{name: "ip of zeros", record: signed(pair{"ip", "\x84\x00\x00\x00\x00"}), accept: true},
	{name: "ip6 empty", record: signed(pair{"ip6", "\x80"}), accept: true},
	{name: "ip6 of 4 bytes", record: signed(pair{"ip6", "\x84\x01\x02\x03\x04"}), accept: true},
	{name: "ip6 IPv4-mapped", record: signed(pair{"ip6", "\x90" + strings.Repeat("\x00", 10) + "\xff\xff\x01\x02\x03\x04"}), accept: true, reading: "ip6 IPv4-mapped"},
	{name: "ip6 of zeros", record: signed(pair{"ip6", "\x90" + strings.Repeat("\x00", 16)}), accept: true},
	{name: "ip6 link-local", record: signed(pair{"ip6", "\x90\xfe\x80" + strings.Repeat("\x00", 13) + "\x01"}), accept: true},
	{name: "eth2 of 3 bytes", record: signed(pair{"eth2", "\x83abc"}), accept: true},
	{name: "attnets is a list", record: signed(pair{"attnets", "\xc0"}), accept: true},
	{name: "syncnets, cgc and nfd empty", record: signed(pair{"cgc", "\x80"}, pair{"nfd", "\x80"}, pair{"syncnets", "\x80"}), accept: true},
	{name: "client is a list", record: signed(pair{"client", "\xc4\x83abc"}), accept: true},
	{name: "empty key", record: signed(pair{"", "\x01"}), accept: true},
	{name: "all of it together", record: signed(pair{"ip", "\x80"}, pair{"ip6", "\xc0"}, pair{"tcp", "\x8530303"}, pair{"udp", "\x80"}, pair{"z", "\xc1\xc0"}), accept: true},

	{name: "value of one byte with a prefix", record: signed(pair{"udp", "\x81\x05"}), difference: "value that is not canonical"},
	{name: "value of one byte with a prefix in a list", record: signed(pair{"client", "\xc2\x81\x05"}), difference: "value that is not canonical"},
	{name: "value cut inside of a list", record: signed(pair{"client", "\xc2\x82\x05"}), difference: "value that is not canonical"},

	{name: "long header on a short value", record: signed(pair{"x", "\xb8\x01\xff"})},
	{name: "key of one byte with a prefix", record: sign(append(content(), "\x81x\x05"...))},
	{name: "key without a value", record: sign(append(content(), "x"...))},
	{name: "key that is a list", record: sign(append(content(), "\xc0\x05"...))},
	{name: "unsorted keys", record: sign(append(content(), "a\x05"...))},
	{name: "key twice", record: sign(append(content(), "x\x05x\x05"...))},
	{name: "no seq", record: sign(nil)},
	{name: "seq with leading zero", record: sign(append([]byte{0x82, 0, 1}, content()[1:]...))},
	{name: "seq of 9 bytes", record: sign(append([]byte("\x89\x01\x00\x00\x00\x00\x00\x00\x00\x00"), content()[1:]...))},
	{name: "no id", record: sign([]byte("\x01"))},
	{name: "id v5", record: sign([]byte("\x01\x82id\x82v5"))},
	{name: "id is a list", record: sign([]byte("\x01\x82id\xc0"))},
	{name: "no key", record: sign([]byte("\x01\x82id\x82v4"))},
	{name: "key of 32 bytes", record: sign([]byte("\x01\x82id\x82v4\x89secp256k1\xa0" + strings.Repeat("\x02", 32)))},
	{name: "more than 300 bytes", record: signed(pair{"x", "\xb8\xc8" + strings.Repeat("x", 200)})},
	{name: "bad signature", record: []byte(change1(signed(), 10, 0))},
	{name: "bytes after it", record: append(signed(), 0)},
}

// TestOddRecords: both sides accept and read the same, or the tables explain the difference.
func TestOddRecords(t *testing.T) {
	used := map[string]bool{}
	for _, o := range oddRecords {
		t.Run(o.name, func(t *testing.T) {
			v := verdict{input: o.record}
			v.ours, v.theirs = recordVerdict(o.record)
			if (v.ours == nil) != (v.theirs == nil) {
				for _, d := range differences {
					if d.target == "record" && d.name == o.difference && d.explains(v) {
						used[d.name] = true
						return
					}
				}
				t.Fatalf("not explained: ours %v, theirs %v", v.ours, v.theirs)
			}
			if o.difference != "" || o.accept != (v.ours == nil) {
				t.Fatalf("ours %v, theirs %v; want accepted: %v, difference: %q", v.ours, v.theirs, o.accept, o.difference)
			}
			if !o.accept {
				return
			}
			compareRecords(t, o.record)
			ours, err := enr.Parse(o.record)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := gethRecord(o.record)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, d := range readingDifferences(ours, theirs) {
				used[d.name] = true
				found = append(found, d.name)
			}
			if got := strings.Join(slices.Compact(found), ", "); got != o.reading {
				t.Errorf("read differently: %q, want %q", got, o.reading)
			}
		})
	}
	for name := range readings {
		if !used[name] {
			t.Errorf("no odd record shows the difference %q", name)
		}
	}
	for _, d := range differences {
		if d.target == "record" && !used[d.name] {
			t.Errorf("no odd record shows the difference %q", d.name)
		}
	}
}

// TestDifferencesAreDocumented: FUZZING.md lists the differences about records, in the same words.
func TestDifferencesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/FUZZING.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, d := range differences {
		if d.target == "record" {
			rows[d.name] = d.reason
		}
	}
	for name, reason := range readings {
		rows[name] = reason
	}
	for name, reason := range rows {
		if row := "| " + name + " | " + reason + " |"; !strings.Contains(string(text), row) {
			t.Errorf("docs/FUZZING.md has no row %q", row)
		}
	}
	_, section, _ := strings.Cut(string(text), "## Records on which")
	section, _, _ = strings.Cut(section, "\n## ")
	if n := strings.Count(section, "\n| ") - 1; n != len(rows) {
		t.Errorf("docs/FUZZING.md lists %d differences, there are %d", n, len(rows))
	}
}
