package topic

import (
	"bytes"
	"encoding/hex"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// eip778 is the record of EIP-778.
const eip778 = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZu" +
	"Oh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8"

func counting() (t Topic) {
	for i := range t {
		t[i] = byte(i + 1)
	}
	return t
}

func TestTicketVector(t *testing.T) {
	record, err := enr.ParseText(eip778)
	if err != nil {
		t.Fatal(err)
	}
	var key [aead.KeySize]byte
	for i := range key {
		key[i] = byte(i)
	}
	k := &ticketKeys{current: aead.NewCipher(&key), number: 1}
	s := new(scratch)
	for i := range s.nonce {
		s.nonce[i] = byte(0x10 + i)
	}
	id := enr.ID(bytes.Repeat([]byte{0xa1}, 32))
	topic := counting()
	ad := s.bind(&id, &topic, netip.MustParseAddr("192.0.2.1"), record.Bytes())
	in := ticket{1000 * time.Second, 1060 * time.Second, 30000 * time.Millisecond}
	out := k.sealAs(s, in, ad)
	const want = "01" + "101112131415161718191a1b" +
		"c42e0347dbeaa6ef17dd5d030bcb833e3abc01b7589f873d7e456cefa797f430c22ea176"
	if got := hex.EncodeToString(out); got != want {
		t.Fatalf("sealed\n%s, want\n%s", got, want)
	}
	if len(out) != TicketSize || TicketSize > 90 {
		t.Fatalf("a ticket of %d bytes", len(out))
	}
	if got, ok := k.open(s, bytes.Clone(out), ad); !ok || got != in {
		t.Fatalf("opened %v %v", got, ok)
	}
}

func TestWaitingTimeVectors(t *testing.T) {
	cfg, err := Config{Random: zeros{}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	f := newFormula(&cfg)
	for _, v := range []struct {
		ads, same int
		points    uint8
		seconds   float64
	}{
		{0, 0, 0, 9.0e-5},
		{1, 0, 1, 28.4079},
		{1, 1, 0, 909.05},
		{10, 1, 2, 161.713},
		{60, 10, 4, 487.361},
		{100, 0, 4, 322.647},
		{100, 100, 4, 2903.82},
		{300, 3, 5, 5296.93},
		{300, 30, 28, 31064.7},
		{500, 1, 5, 145843},
		{999, 1, 6, 1.7e32},
	} {
		c := f.of(pressure{v.ads, v.same, v.points, levels4})
		w := add(add(c.topic, c.address), c.safety)
		want := v.seconds * float64(time.Second)
		if want > float64(never) {
			if w != never {
				t.Errorf("%+v: %v, want the most there is", v, w)
			}
			continue
		}
		if got := float64(w); math.Abs(got-want) > 1e-5*want+1 {
			t.Errorf("%+v: %v s, want %v s", v, got/1e9, v.seconds)
		}
	}
}

func TestScoreVectors(t *testing.T) {
	for _, v := range []struct{ held, want string }{
		{"192.0.2.1", "192.0.2.1=32 192.0.2.2=30 192.0.3.1=23 10.0.0.1=0"},
		{"192.0.2.1 198.51.100.7 203.0.113.9 8.8.8.8",
			"192.0.2.9=28 203.0.113.10=30 1.1.1.1=2 8.8.8.9=29 100.64.0.1=0"},
		{"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 " +
			"8.8.8.8 100.64.0.1 203.0.113.9 45.0.0.1",
			"192.0.2.200=24 192.0.3.1=23 8.8.4.4=17 150.0.0.1=1 45.0.0.1=29"},
		{"2001:db8:1:1::1 2001:db8:1:2::1 2a00:1450:4001::1 2600:1f18::5",
			"2001:db8:1:1::99=64 2001:db8:1:3::1=63 2a00:1450:4002::1=46 2400:cb00::1=6 fd00::1=0"},
	} {
		tree := newIPTree(100)
		for _, a := range strings.Fields(v.held) {
			tree.add(keyOf(netip.MustParseAddr(a)))
		}
		for _, w := range strings.Fields(v.want) {
			a, points, _ := strings.Cut(w, "=")
			var got [4]byte
			m := tree.score(keyOf(netip.MustParseAddr(a)))
			if g := string(appendInt(got[:0], int(m.points))); g != points {
				t.Errorf("with %s: %s scores %s, want %s", v.held, a, g, points)
			}
		}
	}
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

// One component of the waiting time, as it would be without its bound.
func TestLowerBoundVector(t *testing.T) {
	r := mustRegistrar(t, Config{})
	for _, v := range []struct{ at, w, want, until int }{
		{0, 120, 120, 120},
		{30, 40, 90, 120}, // the state stays
		{100, 50, 50, 150},
		{149, 0, 1, 150},
		{151, 0, 0, 150},
	} {
		now := time.Duration(v.at) * time.Second
		key := ipKey{bits: 1 << 63}
		c := components{address: time.Duration(v.w) * time.Second}
		b := r.lowerBounds(now, none, key, netaddr.Global, match{depth: 5})
		got := b.wait(c)
		r.raise(now, none, c, &b)
		if got != time.Duration(v.want)*time.Second {
			t.Errorf("at %d s: %v, want %d s", v.at, got, v.want)
		}
		if u := r.bounds.find(r.bounds.key(key, 5)); u != time.Duration(v.until)*time.Second {
			t.Errorf("at %d s: the bound ends at %v, want %d s", v.at, u, v.until)
		}
	}
}

// A bound above E would outlive the attack that caused it.
func TestLowerBoundIsCapped(t *testing.T) {
	r := mustRegistrar(t, Config{})
	key := ipKey{bits: 1 << 63}
	b := r.lowerBounds(0, none, key, netaddr.Global, match{depth: 5})
	r.raise(0, none, components{address: 100 * time.Hour}, &b)
	if got := r.bounds.find(r.bounds.key(key, 5)); got != DefaultLifetime {
		t.Errorf("the bound ends at %v, want %v", got, DefaultLifetime)
	}
}

func TestTopicOf(t *testing.T) {
	if got := Of("abc").String(); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Error(got)
	}
}
