package budget

import (
	"testing"
	"time"
)

// S28: a namer is identified by its site, so other ports, hosts and subnets do not get a probe
// each. In a private network the address identifies it.
func TestS28NamerIsItsSite(t *testing.T) {
	for _, c := range []struct {
		name        string
		one, other  string
		sameAsFirst bool
	}{
		{"another port", "30.1.1.1:1000", "30.1.1.1:1001", true},
		{"another host of the /24", "30.1.1.1:1000", "30.1.1.2:1000", true},
		{"another /24", "30.1.1.1:1000", "30.1.2.1:1000", false},
		{"another /64 of the /48", "[2a01:7:1:1::1]:1000", "[2a01:7:1:2::1]:1000", true},
		{"another /48", "[2a01:7:1:1::1]:1000", "[2a01:7:2:1::1]:1000", false},
		{"another port of a private address", "10.0.0.1:1000", "10.0.0.1:1001", true},
		{"another private address", "10.0.0.1:1000", "10.0.0.2:1000", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := New(1, 0)
			spend := func(namer string) Cause {
				return b.Spend(0, host(1), 100, &Purpose{Origin: Named, Grant: NewGrant(at(namer), 1, 1000)})
			}
			if got := spend(c.one); got != Allowed {
				t.Fatalf("first probe: %v", got)
			}
			want := Allowed
			if c.sameAsFirst {
				want = Repeated
			}
			if got := spend(c.other); got != want {
				t.Errorf("probe for the second namer: %v, want %v", got, want)
			}
		})
	}
}

// S28: names of other destinations evict old probes from their set first, so a few hundred names do
// not lead to a second probe of the victim.
func TestS28OtherNamesKeepYoungProbes(t *testing.T) {
	var table probeTable
	const set = 5
	for i := range ways {
		key := uint64(set + i*probeSets)
		e, ok := table.look(time.Duration(i), key)
		if !ok {
			t.Fatal("a first probe is refused")
		}
		table.charge(time.Duration(i), e, key)
	}
	e, _ := table.look(time.Second, set+ways*probeSets)
	table.charge(time.Second, e, set+ways*probeSets)
	for i := range ways {
		if _, ok := table.look(time.Second, uint64(set+i*probeSets)); ok != (i == 0) {
			t.Errorf("probe number %d of the set: a further one passes: %v", i, ok)
		}
	}
}

// S28: if very many other names evict the probes of a victim, its rate still holds, because no
// table forgets that.
func TestS28RateOutlivesForgottenProbes(t *testing.T) {
	b := New(1, 0)
	victim, sent, worst := at("20.9.9.9:9000"), []time.Duration(nil), 0
	p := &Purpose{Origin: Named}
	for now := time.Duration(0); now < 2*time.Second; now += 100 * time.Microsecond {
		i := int(now / (100 * time.Microsecond))
		p.ID = [32]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}
		b.Spend(now, site6(i), 100, p) // other destinations
		p.ID = [32]byte{31: 1}
		if b.Spend(now, victim, 100, p) == Allowed {
			sent = append(sent, now)
		}
	}
	for i := range sent {
		n := 0
		for _, later := range sent[i:] {
			if later-sent[i] < time.Second {
				n++
			}
		}
		worst = max(worst, n)
	}
	if worst > MaxPerSecond || len(sent) == 0 {
		t.Errorf("%d packets to the victim in one second, %d in all", worst, len(sent))
	}
}

// S30: an answer proves one endpoint only, even if others share a set of the table.
func TestS30ProofIsOfOneEndpoint(t *testing.T) {
	b := New(1, 0)
	for i := range 250 {
		b.Prove(0, site(i))
	}
	for i := range 5000 {
		if b.Proven(0, site6(i)) || b.Proven(0, port(i)) {
			t.Fatalf("endpoint %d has a proof that it has not earned", i)
		}
	}
}

// S44: nodes outside the table do not use up the claims of members of the same site.
func TestS44MembersClaimApart(t *testing.T) {
	b := New(1, 0)
	for i := range 200 {
		b.Claim(0, host(i), false)
	}
	if !b.Claim(0, host(7), true) {
		t.Error("a member of the table has no claim left, because of others of its site")
	}
	n := 1
	for range 20 {
		if b.Claim(0, host(7), true) {
			n++
		}
	}
	if n != MaxClaimsPerSecond/2 {
		t.Errorf("members of one site have %d claims at one moment, want %d", n, MaxClaimsPerSecond/2)
	}
}
