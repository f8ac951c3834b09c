package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// record4 is the IPv4 address in the record of enr.md.
func record4(t testing.TB) netip.AddrPort {
	t.Helper()
	r, err := enr.ParseText(goodRecord)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := r.UDPEndpoint4()
	return a
}

// Any input for a record either parses, and can be shown, or is a usage error.
func FuzzRecord(f *testing.F) {
	r, err := enr.ParseText(goodRecord)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(goodRecord)
	f.Add("0x" + string(r.Bytes()))
	f.Add(string(r.Bytes()))
	f.Add("enode://")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseView(s)
		if err != nil {
			if !cli.IsUsage(err) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if full(v).text() == "" {
			t.Errorf("%q: nothing to show", s)
		}
	})
}

// Values that do not fit their key can be shown too.
func FuzzValue(f *testing.F) {
	f.Add("ip", []byte{0x84, 1, 2, 3, 4})
	f.Add("eth", []byte{0xc2, 0xc1, 0x80})
	f.Add("x", []byte{0xf9, 1})
	f.Fuzz(func(t *testing.T, key string, rlp []byte) {
		showValue(key, rlp)
	})
}

// Any datagram either decodes or is an error.
func FuzzPacket(f *testing.F) {
	id, err := enr.ParseID(vectorNode)
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range vectors(f) {
		raw, err := parseHex(v.Packet)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, []byte{1, 0xc2, 1, 2})
	}
	f.Fuzz(func(t *testing.T, raw, plain []byte) {
		if i, err := decodePacket(raw, id, codec.DefaultProtocol, make([]byte, 16)); i == nil && err == nil {
			t.Error("neither packet nor error")
		} else if i != nil {
			i.text()
		}
		if m, err := decodeMessage(plain); err == nil {
			m.text()
		}
	})
}

// FuzzParseTopic: an accepted TOPIC is an ID or the hash of a name, and a refusal quotes little.
func FuzzParseTopic(f *testing.F) {
	for _, s := range []string{"", "chat", "name:", "name:x", "0x", "@x", "-", "enr:x", strings.Repeat("a", 63), strings.Repeat("A", 64), "0x" + strings.Repeat("0", 64), "\x00", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		top, err := parseTopic(s)
		switch {
		case err != nil && (!cli.IsUsage(err) || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 3*quote.Max):
			t.Errorf("%q: %q", s, err)
		case err != nil:
		case top.name != "" && (top.id != discv5.TopicOf(top.name) || top.name != strings.TrimPrefix(s, namePrefix)):
			t.Errorf("%q is %+v", s, top)
		case top.name == "" && !strings.EqualFold(top.id.String(), s) && !strings.EqualFold("0x"+top.id.String(), s):
			t.Errorf("%q is %s", s, top.id)
		}
	})
}
