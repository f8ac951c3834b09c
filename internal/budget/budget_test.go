package budget

import (
	"net/netip"
	"testing"
	"time"
)

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// spread returns endpoint number i of a set without proofs.
type spread func(i int) netip.AddrPort

func port(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("20.1.2.3"), uint16(2000+i))
}
func host(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 1, 2, byte(i)}), 9000)
}
func site(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 1, byte(i), 1}), 9000)
}
func site6(i int) netip.AddrPort {
	a := [16]byte{0x2a, 1, 0, 7, byte(i >> 8), byte(i), 15: 1}
	return netip.AddrPortFrom(netip.AddrFrom16(a), 9000)
}

// TestRates: each width has its own limit in any second, whatever the order and duration.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		name string
		to   spread
		max  int
	}{
		{"one address, many ports", port, MaxPerSecond},
		{"one /24", host, MaxSitePerSecond},
		{"one /16", site, MaxWidePerSecond},
		{"one /32", site6, MaxWidePerSecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := New(1, 0)
			var sent []time.Duration
			for now := time.Duration(0); now < 5*time.Second; now += 2 * time.Millisecond {
				i := int(now/(2*time.Millisecond)) % 250
				if b.Spend(now, c.to(i), 100, &Purpose{Origin: Known}) == Allowed {
					sent = append(sent, now)
				}
			}
			worst := 0
			for i := range sent {
				n := 0
				for _, later := range sent[i:] {
					if later-sent[i] < time.Second {
						n++
					}
				}
				worst = max(worst, n)
			}
			if worst > c.max || worst < c.max*8/10 {
				t.Errorf("%d packets in one second, the bound is %d", worst, c.max)
			}
		})
	}
}

// TestLocalPrefixesDoNotCount: private prefixes and loopback hold many nodes, so they count by
// address and by endpoint.
func TestLocalPrefixesDoNotCount(t *testing.T) {
	for name, to := range map[string]spread{
		"private": func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 9) },
		"loopback": func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(i+1))
		},
	} {
		b := New(1, 0)
		for i := range 200 {
			if c := b.Spend(0, to(i), 100, &Purpose{Origin: Known}); c != Allowed {
				t.Fatalf("%s: packet %d: %v", name, i, c)
			}
		}
		n := 0
		for range 100 {
			if b.Spend(0, to(0), 100, &Purpose{Origin: Known}) == Allowed {
				n++
			}
		}
		if n >= MaxPerSecond {
			t.Errorf("%s: %d packets more to one of them", name, n)
		}
	}
}

// TestOneProbe: a named ID is probed once at an address on behalf of one namer, then after pauses
// that double. Another port of the address is the same destination.
func TestOneProbe(t *testing.T) {
	b := New(1, 0)
	p := &Purpose{Origin: Named, ID: [32]byte{1}}
	times := 0
	for now := time.Duration(0); now < time.Hour; now += time.Second {
		switch c := b.Spend(now, port(int(now/time.Second)), 100, p); c {
		case Allowed:
			times++
		case Repeated:
		default:
			t.Fatalf("after %v: %v", now, c)
		}
	}
	if times != 4 { // at 0, 5, 15 and 35 minutes
		t.Errorf("%d probes in an hour, want 4", times)
	}
	if c := b.Spend(time.Hour, port(1), 100, &Purpose{Origin: Named, ID: [32]byte{2}}); c != Allowed {
		t.Errorf("another identity: %v", c)
	}
	other := &Purpose{Origin: Named, ID: p.ID, Grant: NewGrant(at("60.1.1.1:9"), 5, 1000)}
	for i, want := range []Cause{Allowed, Repeated} {
		if c := b.Spend(time.Hour, port(1), 100, other); c != want {
			t.Errorf("probe %d on behalf of another namer: %v, want %v", i, c, want)
		}
	}
	if !b.Probed(time.Hour, port(1), &p.ID, nil) || b.Probed(time.Hour, host(9), &p.ID, nil) {
		t.Error("Probed does not agree with Spend")
	}
	b.Prove(time.Hour, port(1))
	if c := b.Spend(time.Hour, port(1), 100, p); c != Allowed || b.Probed(time.Hour, port(1), &p.ID, nil) {
		t.Errorf("an endpoint that answered: %v", c)
	}
}

// TestGrant: a grant pays for as many packets per destination and per site, and as many bytes, as
// it has.
func TestGrant(t *testing.T) {
	id := byte(0)
	spend := func(b *Budget, g *Grant, to netip.AddrPort, size int) Cause {
		id++
		return b.Spend(0, to, size, &Purpose{Origin: Named, ID: [32]byte{id}, Grant: g})
	}
	t.Run("destination", func(t *testing.T) {
		b, g := New(1, 0), NewGrant(at("50.1.1.1:9"), 2, 1000)
		for i, want := range []Cause{Allowed, Allowed, Unfunded} {
			if c := spend(b, g, port(i), 100); c != want {
				t.Errorf("packet %d: %v, want %v", i, c, want)
			}
		}
		if c := spend(b, g, at("30.1.1.1:1"), 100); c != Allowed {
			t.Errorf("another destination: %v", c)
		}
	})
	t.Run("site", func(t *testing.T) {
		b, g := New(1, 0), NewGrant(at("50.1.1.1:9"), 2, 1000)
		for i, want := range []Cause{Allowed, Allowed, Unfunded} {
			if c := spend(b, g, host(i), 100); c != want {
				t.Errorf("packet %d: %v, want %v", i, c, want)
			}
		}
	})
	t.Run("bytes", func(t *testing.T) {
		b, g := New(1, 0), NewGrant(at("50.1.1.1:9"), 9, 250)
		for i, want := range []Cause{Allowed, Allowed, Unfunded} {
			if c := spend(b, g, site(i), 100); c != want {
				t.Errorf("packet %d: %v, want %v", i, c, want)
			}
		}
		if c := spend(b, g, site(9), 50); c != Allowed {
			t.Errorf("what is left pays for nothing: %v", c)
		}
	})
	t.Run("private site", func(t *testing.T) {
		b, g := New(1, 0), NewGrant(at("50.1.1.1:9"), 1, 1000)
		if spend(b, g, at("10.0.0.1:9"), 100) != Allowed || spend(b, g, at("10.0.0.2:9"), 100) != Allowed {
			t.Error("two nodes of a private network were not paid for")
		}
	})
}

// TestProofs: an endpoint with a proof costs nothing. Two consecutive failures end the proof, and
// so does time.
func TestProofs(t *testing.T) {
	b := New(1, 0)
	e := port(1)
	if b.Proven(0, e) {
		t.Fatal("proven without an answer")
	}
	b.Prove(time.Second, e)
	for range 100 {
		if c := b.Spend(time.Second, e, 1280, &Purpose{Origin: Named}); c != Allowed {
			t.Fatal(c)
		}
	}
	if b.Proven(time.Second, port(2)) {
		t.Error("another port is proven")
	}
	b.Failed(e)
	if !b.Proven(time.Second, e) {
		t.Error("one failure ended the proof")
	}
	b.Prove(2*time.Second, e)
	b.Failed(e)
	if !b.Proven(2*time.Second, e) {
		t.Error("failures before an answer count")
	}
	b.Failed(e)
	if b.Proven(2*time.Second, e) {
		t.Error("proven after two failures in a row")
	}
	b.Failed(e)
	b.Prove(3*time.Second, e)
	if !b.Proven(3*time.Second+ProofLife-time.Second, e) || b.Proven(3*time.Second+ProofLife+time.Second, e) {
		t.Error("the proof ends too early or too late")
	}
	mapped := netip.AddrPortFrom(netip.AddrFrom16(e.Addr().As16()), e.Port())
	if !b.Proven(3*time.Second, mapped) {
		t.Error("the IPv4-mapped form is another endpoint")
	}
}

// TestProofsAreBounded: however many endpoints answer, the newest keep their proofs, and memory
// does not grow.
func TestProofsAreBounded(t *testing.T) {
	b := New(1, 512)
	last := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), 9)
	}
	const n = 20_000
	for i := range n {
		b.Prove(time.Duration(i)*time.Millisecond, last(i))
	}
	kept := 0
	for i := n - 500; i < n; i++ {
		if b.Proven(n*time.Millisecond, last(i)) {
			kept++
		}
	}
	if kept < 498 || len(b.proofs.sets) != 2048/proofWays {
		t.Errorf("%d of the last 500 proofs are left, in %d sets", kept, len(b.proofs.sets))
	}
}

// TestFullRateTableRefuses: a full table refuses, so a flood of destinations gains no packets.
func TestFullRateTableRefuses(t *testing.T) {
	b := New(1, 0)
	refused := 0
	for i := range 50_000 {
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 9)
		if b.Spend(0, to, 100, &Purpose{Origin: Known}) != Allowed {
			refused++
		}
	}
	if refused < 50_000-rateSets*ways {
		t.Errorf("%d of 50000 were refused at one moment", refused)
	}
	if c := b.Spend(time.Second, at("10.0.0.1:9"), 100, &Purpose{Origin: Known}); c != Allowed {
		t.Errorf("a second later: %v", c)
	}
}

// TestOperator: the funding rule does not apply to the operator's requests, but a rate does.
func TestOperator(t *testing.T) {
	b := New(1, 0)
	n := 0
	for range 1000 {
		if b.Spend(0, port(1), 100, &Purpose{}) == Allowed {
			n++
		}
	}
	if n != MaxOperatorPerSecond/2 {
		t.Errorf("%d packets at one moment, want %d", n, MaxOperatorPerSecond/2)
	}
}

// TestClaims: claims count by the site of their source.
func TestClaims(t *testing.T) {
	b := New(1, 0)
	n := 0
	for i := range 200 {
		if b.Claim(0, host(i), false) {
			n++
		}
	}
	if n != MaxClaimsPerSecond/2 || !b.Claim(0, at("30.1.1.1:1"), false) {
		t.Errorf("%d claims of one site at one moment, want %d", n, MaxClaimsPerSecond/2)
	}
	if !b.Claim(0, at("10.0.0.1:9"), false) || !b.Claim(0, at("10.0.0.2:9"), false) {
		t.Error("private addresses count together")
	}
}

func TestAllocations(t *testing.T) {
	b := New(1, 0)
	p := &Purpose{Origin: Named}
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		i++
		p.ID[0], p.ID[1] = byte(i), byte(i>>8)
		now := time.Duration(i) * time.Millisecond
		b.Spend(now, host(i), 100, p)
		b.Prove(now, host(i))
		b.Proven(now, host(i+1))
		b.Failed(host(i))
		b.Claim(now, host(i), false)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCauses(t *testing.T) {
	seen := map[string]bool{}
	for c := Allowed; c <= Unfunded+1; c++ {
		seen[c.String()] = true
	}
	if len(seen) != 5 {
		t.Errorf("names of causes: %v", seen)
	}
}

// TestProofsHaveRoom: no proof is lost up to the configured number, because a second set takes what
// the first one has no room for.
func TestProofsHaveRoom(t *testing.T) {
	for seed := range uint64(20) {
		const n = 8192
		b := New(seed, n)
		to := func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), 9)
		}
		for i := range n {
			b.Prove(0, to(i))
		}
		for i := range n {
			if !b.Proven(0, to(i)) {
				t.Fatalf("seed %d: proof %d is lost", seed, i)
			}
		}
	}
}
