package fleet

import (
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/limits"
)

// TestSample: of one distance, half of the candidates are those with the best scores and the other
// half are chosen at random, so that entries with false scores do not keep the others out.
func TestSample(t *testing.T) {
	honest := 0
	for range 20 {
		var s sample
		for i := range 4000 {
			c := candidate{value: nodeValue{Score: maxNodeScore, Seen: int64(i)}}
			if i%2 == 0 { // honest ones have no such score
				c.value.Score = rand.IntN(10)
			}
			s.add(c)
		}
		if len(s.ranked) != rankedPerDistance || len(s.random) != randomPerDistance {
			t.Fatalf("%d and %d candidates", len(s.ranked), len(s.random))
		}
		for i, c := range s.ranked {
			if want := int64(3999 - 2*i); c.value.Score != maxNodeScore || c.value.Seen != want {
				t.Fatalf("place %d: score %d, seen %d; want %d", i, c.value.Score, c.value.Seen, want)
			}
		}
		for _, c := range s.random {
			if c.value.Score < maxNodeScore {
				honest++
			}
		}
	}
	// The standard deviation is 0.03.
	if share := float64(honest) / (20 * randomPerDistance); share < 0.3 || share > 0.7 {
		t.Errorf("%.2f of the random candidates are honest, want a half", share)
	}
}

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		name, text string
		extra      bool
		want       error
	}{
		{"plain", `{"v":1,"seen":5}`, false, nil},
		{"newer fields", `{"v":1,"seen":5,"more":{"v":9}}`, true, nil},
		{"newer version", `{"v":2,"seen":"another type"}`, false, errVersion},
		{"far newer version", `{"v":4294967296}`, false, errVersion},
		{"no version", `{"seen":5}`, false, errMalformed},
		{"version 0", `{"v":0}`, false, errMalformed},
		{"another type", `{"v":1,"seen":"5"}`, false, errMalformed},
		{"a number too large", `{"v":1,"seen":1e99}`, false, errMalformed},
		{"cut", `{"v":1,"seen":5`, false, errMalformed},
		{"more behind", `{"v":1} {"v":1}`, false, errMalformed},
		{"a list", `[1]`, false, errMalformed},
		{"null", `null`, false, errMalformed},
		{"nothing", ``, false, errMalformed},
		{"deep", strings.Repeat("[", 500), false, errMalformed},
		{"large", `{"v":1}` + strings.Repeat(" ", 600), false, errSize},
	} {
		t.Run(test.name, func(t *testing.T) {
			var v nodeValue
			extra, err := decode([]byte(test.text), 512, &v)
			if extra != test.extra || !errors.Is(err, test.want) {
				t.Errorf("%v, %v; want %v, %v", extra, err, test.extra, test.want)
			}
			if err == nil && v.Seen != 5 {
				t.Errorf("seen %d", v.Seen)
			}
		})
	}
}

// TestRecordOfEntry: a record counts only under the ID of its own node, as it was signed, and with
// an endpoint.
func TestRecordOfEntry(t *testing.T) {
	sign := func(b *enr.Builder) (*enr.Record, enr.ID) {
		t.Helper()
		key, err := enr.GenerateKey(crand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		r, err := b.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return r, r.ID()
	}
	at := netip.MustParseAddrPort("127.0.0.1:9")
	r, id := sign(enr.NewBuilder().SetIP(at.Addr()).SetUDP(at.Port()))
	_, other := sign(enr.NewBuilder().SetIP(at.Addr()).SetUDP(at.Port()))
	bare, bareID := sign(enr.NewBuilder())
	broken := []byte(r.String())
	broken[20] ^= 1
	for _, test := range []struct {
		name, text string
		id         enr.ID
		want       error
	}{
		{"own", r.String(), id, nil},
		{"of another node", r.String(), other, errRecord},
		{"damaged", string(broken), id, errRecord},
		{"no record", "", id, errRecord},
		{"without an endpoint", bare.String(), bareID, errEndpoint},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := nodeValue{Record: test.text}
			got, err := v.record(test.id)
			if !errors.Is(err, test.want) || (got != nil) != (test.want == nil) {
				t.Errorf("%v, %v; want %v", got, err, test.want)
			}
		})
	}
}

// TestNarrow: which bans members share.
func TestNarrow(t *testing.T) {
	for text, want := range map[string]bool{
		"192.0.2.1": true, "192.0.0.0/16": true, "192.0.0.0/15": false, "0.0.0.0/0": false,
		"2001:db8::1": true, "2001:db8::/32": true, "2001:d00::/24": false, "::/0": false,
		strings.Repeat("ab", enr.IDSize): true,
	} {
		target, err := limits.ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		if narrow(target) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
	if narrow(limits.Target{}) {
		t.Error("no target")
	}
}
