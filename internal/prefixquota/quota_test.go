package prefixquota

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func addr(format string, args ...any) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf(format, args...))
}

func TestTake(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limits  Limits
		free    int
		private bool
		addrs   func(i int) netip.Addr
		want    int // of 100
		width   Width
	}{
		{"one address", Limits{3, 5, 9}, 0, false, func(int) netip.Addr { return addr("20.1.2.3") }, 3, Host},
		{"one /24", Limits{3, 5, 9}, 0, false, func(i int) netip.Addr { return addr("20.1.2.%d", i) }, 5, Site},
		{"one /16", Limits{3, 5, 9}, 0, false, func(i int) netip.Addr { return addr("20.1.%d.1", i) }, 9, Wide},
		{"many /16s", Limits{3, 5, 9}, 0, false, func(i int) netip.Addr { return addr("20.%d.1.1", i) }, 100, 0},
		{"one /64", Limits{3, 5, 9}, 0, false, func(i int) netip.Addr { return addr("2a00:1:2:3::%x", i) }, 3, Host},
		{"one /48", Limits{3, 5, 9}, 0, false, func(i int) netip.Addr { return addr("2a00:1:2:%x::1", i) }, 5, Site},
		{"one /32", Limits{3, 5, 9}, 0, false, func(i int) netip.Addr { return addr("2a00:1:%x::1", i) }, 9, Wide},
		{"many /32s", Limits{3, 5, 9}, 0, false, func(i int) netip.Addr { return addr("2a00:%x::1", i) }, 100, 0},
		{"no limit for sites", Limits{-1, -1, 9}, 0, false, func(int) netip.Addr { return addr("20.1.2.3") }, 9, Wide},
		{"off", Unlimited, 0, false, func(int) netip.Addr { return addr("20.1.2.3") }, 100, 0},
		{"free", Limits{3, 5, 9}, 40, false, func(i int) netip.Addr { return addr("20.1.2.3") }, 40, Host},
		{"strict", Limits{3, 5, 9}, -1, true, func(int) netip.Addr { return addr("127.0.0.1") }, 3, Host},
		{"loopback", Limits{3, 5, 9}, 0, false, func(int) netip.Addr { return addr("127.0.0.1") }, 100, 0},
		{"private at a public node", Limits{3, 5, 9}, 0, false, func(i int) netip.Addr { return addr("10.0.0.%d", i) }, 5, Site},
		{"unique local at a public node", Limits{3, 5, 9}, 0, false, func(i int) netip.Addr { return addr("fd00:%x::1", i) }, 100, 0},
		{"private in a private network", Limits{3, 5, 9}, 0, true, func(int) netip.Addr { return addr("10.0.0.1") }, 100, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := New(Config{Limits: tt.limits, Free: tt.free, Strict: tt.free < 0})
			q.SetExemptPrivate(tt.private)
			var taken []netip.Addr
			for i := range 100 {
				if w, ok := q.Take(tt.addrs(i)); ok {
					taken = append(taken, tt.addrs(i))
				} else if w != tt.width {
					t.Errorf("item %d: refused by %v, want %v", i, w, tt.width)
				}
			}
			if len(taken) != tt.want || q.Len() != tt.want {
				t.Errorf("took %d, counts %d, want %d", len(taken), q.Len(), tt.want)
			}
			q.SetExemptPrivate(false) // must not affect earlier counts
			for _, a := range taken {
				q.Release(a)
			}
			if q.Len() != 0 || q.Prefixes() != 0 {
				t.Errorf("%d items and %d prefixes left", q.Len(), q.Prefixes())
			}
		})
	}
}

func TestDisplaces(t *testing.T) {
	for _, tt := range []struct {
		name              string
		held              []string
		candidate, holder string
		want              bool
	}{
		{"new prefix against a full one", []string{"20.1.1.1", "20.1.1.2", "20.1.1.3"}, "30.1.1.1", "20.1.1.1", true},
		{"equal after the exchange", []string{"20.1.1.1"}, "30.1.1.1", "20.1.1.1", false},
		{"same prefix", []string{"20.1.1.1", "20.1.1.2", "20.1.1.3"}, "20.1.1.4", "20.1.1.1", false},
		{"fuller prefix", []string{"20.1.1.1", "20.1.1.2", "30.1.1.1"}, "20.1.1.3", "30.1.1.1", false},
		{"wide prefix of many sites", []string{"20.1.1.1", "20.1.2.1", "20.1.3.1", "20.1.4.1", "20.1.5.1", "20.1.6.1"}, "30.1.1.1", "20.1.1.1", true},
		{"exempt holder", []string{"127.0.0.1", "127.0.0.1", "127.0.0.1"}, "30.1.1.1", "127.0.0.1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := New(Config{Limits: Limits{10, 10, 40}})
			for _, a := range tt.held {
				q.Add(netip.MustParseAddr(a))
			}
			if got := q.Displaces(netip.MustParseAddr(tt.candidate), netip.MustParseAddr(tt.holder)); got != tt.want {
				t.Errorf("Displaces = %v, want %v", got, tt.want)
			}
		})
	}
}

// TestDisplacementEnds: exchanges end, because no two prefixes can evict each other in turn.
func TestDisplacementEnds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	q := New(Config{Limits: Limits{4, 6, 15}})
	random := func() netip.Addr { return addr("20.%d.%d.%d", rnd.IntN(4), rnd.IntN(8), rnd.IntN(4)) }
	var in, out []netip.Addr
	for range 100 {
		in, out = append(in, random()), append(out, random())
		q.Add(in[len(in)-1])
	}
	exchanges := 0
	for idle := 0; idle < 20000; idle++ {
		i, j := rnd.IntN(len(in)), rnd.IntN(len(out))
		if !q.Displaces(out[j], in[i]) {
			continue
		}
		q.Release(in[i])
		q.Add(out[j])
		if q.Displaces(in[i], out[j]) {
			t.Fatalf("%v and %v displace each other", in[i], out[j])
		}
		in[i], out[j] = out[j], in[i]
		if idle, exchanges = 0, exchanges+1; exchanges > 10000 {
			t.Fatal("exchanges do not end")
		}
	}
	if exchanges == 0 {
		t.Error("nothing was exchanged: this tests nothing")
	}
}

func TestParseLimits(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Limits
		err  error
	}{
		{"2,2,4", Limits{2, 2, 4}, nil},
		{"2, -,0", Limits{2, -1, 0}, nil},
		{"off", Unlimited, nil},
		{"", Limits{}, ErrLimits},
		{"1,2", Limits{}, ErrLimits},
		{"1,2,x", Limits{}, ErrLimits},
		{"1,2,-3", Limits{}, ErrLimits},
		{"1,2,99999999999", Limits{}, ErrLimits},
	} {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ParseLimits(tt.text)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Fatalf("ParseLimits = %v, %v; want %v, %v", got, err, tt.want, tt.err)
			}
			if err == nil {
				if back, err := ParseLimits(got.String()); back != got || err != nil {
					t.Errorf("%q does not read back: %v, %v", got.String(), back, err)
				}
			}
		})
	}
	if got, want := (Limits{0, -1, 7}).WithDefaults(Limits{1, 2, 3}), (Limits{1, -1, 7}); got != want {
		t.Errorf("WithDefaults = %v, want %v", got, want)
	}
}

func TestQuotaAllocs(t *testing.T) {
	q := New(Config{Limits: Limits{4, 6, 15}})
	for i := range 200 {
		q.Add(addr("20.%d.1.1", i))
	}
	a := addr("30.1.1.1")
	if n := testing.AllocsPerRun(100, func() {
		q.Take(a)
		q.Load(a, 1)
		q.Release(a)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTakeRelease(b *testing.B) {
	q := New(Config{Limits: Limits{4, 6, 15}})
	for i := range 200 {
		q.Add(addr("20.%d.1.1", i))
	}
	a := addr("30.1.1.1")
	b.ReportAllocs()
	for b.Loop() {
		q.Take(a)
		q.Release(a)
	}
}
