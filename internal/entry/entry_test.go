package entry

import (
	"encoding/hex"
	"errors"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, key, rlp string }{
		{"eth2=0x6a95a1a9,0x05000000,364032", "eth2", "906a95a1a90500000000" + "8e050000000000"},
		{"eth2=6a95a1a9", "eth2", "906a95a1a900000000ffffffffffffffff"},
		{"eth2=0x6a95a1a900000000ffffffffffffffff", "eth2", "906a95a1a900000000ffffffffffffffff"},
		{"eth2=rlp:906a95a1a900000000ffffffffffffffff", "eth2", "906a95a1a900000000ffffffffffffffff"},
		{"eth=0x9f3d2254,1746612311", "eth", "cbca849f3d2254" + "84681b3057"},
		{"eth=9f3d2254", "eth", "c7c6849f3d225480"},
		{"nfd=0x01020304", "nfd", "8401020304"},
		{"attnets=0x0102030405060708", "attnets", "880102030405060708"},
		{"syncnets=0f", "syncnets", "0f"},
		{"cgc=128", "cgc", "8180"},
		{"tcp=9000", "tcp", "822328"},
		{"quic6=9001", "quic6", "822329"},
		{"client=Geth,1.10.0", "client", "cc844765746886312e31302e30"},
		{"name=Lighthouse", "name", "8a4c69676874686f757365"},
		{"x=0x00ff", "x", "8200ff"},
		{"x=uint:0", "x", "80"},
		{"x=rlp:c20102", "x", "c20102"},
		{"x=", "x", "80"},
		{"x=a=b", "x", "83613d62"},
	} {
		e, err := Parse(c.in)
		if err != nil || e.Key != c.key || hex.EncodeToString(e.Value) != c.rlp {
			t.Errorf("%s: %s %x, %v; want %s %s", c.in, e.Key, e.Value, err, c.key, c.rlp)
		}
	}
	for in, want := range map[string]error{
		"":                        ErrForm,
		"eth2":                    ErrForm,
		"=1":                      ErrForm,
		"id=v4":                   ErrKey,
		"secp256k1=0x02":          ErrKey,
		"ip=1.2.3.4":              ErrEndpoint,
		"udp6=9000":               ErrEndpoint,
		"ng=uint:1":               ErrTopics,
		"topic-discovery=uint:1":  ErrTopics,
		"ng=rlp:01":               ErrTopics,
		"eth2=0x6a95a1":           ErrValue,
		"eth2=0x6a95a1a9,1":       ErrValue,
		"eth2=0x6a95a1a9,01,2":    ErrValue,
		"eth2=0x6a95a1a9,0x,many": ErrValue,
		"eth2=rlp:83010203":       ErrValue,
		"eth=0x9f3d2254,later":    ErrValue,
		"eth=0x9f3d22":            ErrValue,
		"eth=rlp:01":              ErrValue,
		"nfd=0x010203":            ErrValue,
		"attnets=0x01":            ErrValue,
		"syncnets=ff":             ErrValue,
		"client=Geth":             ErrValue,
		"cgc=-1":                  ErrValue,
		"tcp=70000":               ErrValue,
		"x=0xf":                   ErrValue,
		"x=rlp:c2":                ErrValue,
		"x=rlp:0101":              ErrValue,
		"x=uint:0x10":             ErrValue,
	} {
		if e, err := Parse(in); !errors.Is(err, want) {
			t.Errorf("%s: %x, %v; want %v", in, e.Value, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("eth2=0x6a95a1a9,0x05000000,364032")
	f.Add("x=rlp:c20102")
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := Parse(s); err == nil && e.Key == "" {
			t.Error("empty key")
		}
	})
}
