package topic

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// The tests of this file are named after the attacks of docs/TOPICS.md.

// busy returns a registrar with n ads at time 0, which makes everybody wait.
func busy(t testing.TB, n int) *Registrar {
	r := mustRegistrar(t, Config{})
	crowd(t, r, n)
	return r
}

// wait registers until the ad is placed, and returns when that was. It gives up after a day.
func wait(t testing.TB, r *Registrar, now time.Duration, q *Request) time.Duration {
	t.Helper()
	q.Ticket = nil
	for end := now + 24*time.Hour; now < end; {
		v := r.Register(now, q)
		if v.Result.Placed() {
			return now
		}
		if v.Result != Waiting {
			t.Fatalf("at %v: %v", now, v.Result)
		}
		now += v.Wait
		q.Ticket = bytes.Clone(v.Ticket)
	}
	t.Fatal("not admitted in a day")
	return 0
}

// A record with somebody else's address places nothing.
func TestT04ForeignAddress(t *testing.T) {
	own, victim := "8.8.8.1", "60.1.1.1"
	for _, tt := range []struct {
		name   string
		record *enr.Record
		from   string
		want   Result
	}{
		{"own address", signed(t, 1, 1, own), own + ":30303", Admitted},
		{"own address, mapped", signed(t, 1, 1, own), "[::ffff:" + own + "]:30303", Admitted},
		{"another port", signed(t, 1, 1, own), own + ":4000", Admitted},
		{"own IPv6 address", signedBoth(t, 1, own, "2a00::1"), "[2a00::1]:30303", Admitted},
		{"foreign address", signed(t, 1, 1, victim), own + ":30303", Endpoint},
		{"same network", signed(t, 1, 1, "8.8.8.2"), own + ":30303", Endpoint},
		{"foreign IPv6 address", signedBoth(t, 1, own, "2a00::2"), "[2a00::1]:30303", Endpoint},
		{"only the other family", signed(t, 1, 1, own), "[2a00::1]:30303", Endpoint},
		{"no address", signed(t, 1, 1), own + ":30303", Endpoint},
		{"private address", signed(t, 1, 1, "10.0.0.1"), own + ":30303", Endpoint},
		{"private address of the other family", signedBoth(t, 1, own, "fd00::1"), own + ":30303", Endpoint},
		{"documentation", signed(t, 1, 1, "192.0.2.1"), "192.0.2.1:30303", Endpoint},
		{"private network", signed(t, 1, 1, "10.0.0.1"), "10.0.0.1:30303", Admitted},
		{"loopback", signed(t, 1, 1, "127.0.0.1"), "127.0.0.1:30303", Admitted},
		{"foreign record", signed(t, 2, 1, own), own + ":30303", Owner},
		{"no record", nil, own + ":30303", Record},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustRegistrar(t, Config{})
			q := &Request{Topic: Of("x"), ID: signed(t, 1, 1).ID(), Source: netip.MustParseAddrPort(tt.from), Record: tt.record}
			v := r.Register(0, q)
			if v.Result != tt.want {
				t.Fatalf("%v, want %v", v.Result, tt.want)
			}
			roots := r.cache.tree.total(netaddr.IPv4) + r.cache.tree.total(netaddr.IPv6)
			if s := r.Stats(); !v.Result.Placed() && (s.Ads != 0 || roots != 0 || v.Result.Answered() || len(v.Ticket) > 0) {
				t.Errorf("refused, with %d ads, %d addresses and a ticket of %d bytes", s.Ads, roots, len(v.Ticket))
			}
		})
	}
	t.Run("the registrar itself", func(t *testing.T) {
		q := request(Of("x"), signed(t, 1, 1, own))
		if v := mustRegistrar(t, Config{Self: q.ID}).Register(0, q); v.Result != Owner {
			t.Error(v.Result)
		}
	})
	t.Run("CheckPort", func(t *testing.T) {
		q := request(Of("x"), signed(t, 1, 1, own))
		q.Source = netip.AddrPortFrom(q.Source.Addr(), 4000)
		if v := mustRegistrar(t, Config{CheckPort: true}).Register(0, q); v.Result != Endpoint {
			t.Error(v.Result)
		}
	})
}

func signedBoth(t testing.TB, n int, v4, v6 string) *enr.Record { return signed(t, n, 1, v4, v6) }

// A ticket with any bit changed is worth nothing.
func TestT05ForgedTicket(t *testing.T) {
	r := busy(t, 200)
	q := request(Of("x"), signed(t, 1, 1, "9.1.2.3"))
	now := time.Second
	v := r.Register(now, q)
	good := bytes.Clone(v.Ticket)
	now += v.Wait
	try := func(what string, b []byte) {
		t.Helper()
		q.Ticket = b
		if v := r.Register(now, q); v.Result != BadTicket || v.Waited != 0 || len(v.Ticket) != TicketSize {
			t.Fatalf("%s: %v, waited %v", what, v.Result, v.Waited)
		}
	}
	for i := range 8 * len(good) {
		b := bytes.Clone(good)
		b[i/8] ^= 1 << (i % 8)
		try("changed", b)
	}
	for n := 1; n < len(good); n++ {
		try("cut", good[:n])
	}
	try("longer", append(bytes.Clone(good), 0))
	try("large", make([]byte, 1200))
	q.Ticket = good
	if v := r.Register(now, q); v.Result != Admitted && v.Result != Waiting || v.Waited == 0 {
		t.Fatalf("unchanged: %v, waited %v", v.Result, v.Waited)
	}
}

// A ticket is worth one term. A second ticket of the chain, made to be valid when the first term is
// over, does not start the next one with the credit of the first.
func TestT06TicketForTwoTerms(t *testing.T) {
	r := mustRegistrar(t, Config{})
	q := request(Of("x"), signed(t, 1, 1, "9.1.2.3"))
	// Others come and go, so that the wait is long when the ticket is issued, and short at the end.
	crowd(t, r, 420)
	first := r.Register(time.Second, q)
	if first.Wait != DefaultLifetime {
		t.Fatalf("wait of %v, want one of E", first.Wait)
	}
	spare := bytes.Clone(first.Ticket) // valid at 1 s + E
	r.Remove(func(*Ad) bool { return true })
	q.Ticket = nil
	v := r.Register(2*time.Second, request(Of("other"), signed(t, 2, 1, "9.1.2.4")))
	if v.Result != Admitted {
		t.Fatal(v.Result)
	}
	at := wait(t, r, 3*time.Second, q)
	if at > 890*time.Second {
		t.Fatalf("admitted only at %v", at)
	}
	if v := r.Register(at, q); v.Result != Known {
		t.Fatalf("the same ad twice: %v", v.Result)
	}
	t.Run("while the ad lives", func(t *testing.T) {
		q.Ticket = spare
		if v := r.Register(at+time.Minute, q); v.Result != Known || v.Wait != DefaultLifetime-time.Minute {
			t.Errorf("%v, wait %v", v.Result, v.Wait)
		}
	})
}

// The script of the attack itself: a ticket with a wait of E, taken in the moment before admission,
// opens when the term ends.
func TestT06TicketTakenBeforeAdmission(t *testing.T) {
	for _, late := range []time.Duration{0, 5 * time.Second, DefaultWindow} {
		r := mustRegistrar(t, Config{})
		q := request(Of("x"), signed(t, 1, 1, "9.1.2.3"))
		crowd(t, r, 420)
		const begin = 10 * time.Second
		spare := bytes.Clone(r.Register(begin, q).Ticket)
		r.Remove(func(*Ad) bool { return true })
		// A first request finds an empty cache: admitted at the same moment, by another chain.
		q.Ticket = nil
		if v := r.Register(begin+time.Millisecond, q); v.Result != Admitted {
			t.Fatal(v.Result)
		}
		crowdAt(t, r, begin+time.Minute, 300)
		q.Ticket = spare
		v := r.Register(begin+DefaultLifetime+late+time.Millisecond*2-min(late, 3*time.Millisecond), q)
		if v.Result != BadTicket || v.Waited != 0 {
			t.Errorf("%v after the end of the term: %v, waited %v", late, v.Result, v.Waited)
		}
		if v.Result.Placed() {
			t.Errorf("%v after the end of the term: a second term", late)
		}
	}
}

// crowdAt adds ads of other owners at a time.
func crowdAt(t testing.TB, r *Registrar, now time.Duration, n int) {
	t.Helper()
	rnd := rand.New(seeded(uint64(now) + 23))
	q := &Request{Record: signed(t, 0, 1, "8.8.8.8")}
	for range n {
		for j := range q.ID {
			q.ID[j] = byte(rnd.Uint32())
		}
		q.Topic = Topic{byte(rnd.Uint32())}
		q.Source = netip.AddrPortFrom(publicAddr(rnd), 1)
		force(r, now, q)
	}
}

// A ticket opens for the advertiser, topic, address, record and registrar that it was issued for,
// while its key lives.
func TestT07TicketForAnother(t *testing.T) {
	topic := Of("x")
	record := signedBoth(t, 1, "9.1.2.3", "2a00::1")
	// fill makes everybody wait. Ads of the same topic do, whatever the address.
	fill := func(t *testing.T, r *Registrar, now time.Duration) {
		crowdAt(t, r, now, 150)
		for i := range 10 {
			force(r, now, request(topic, signed(t, 100+i, 1, "60.1.2.3")))
			force(r, now, request(Of("y"), signed(t, 100+i, 1, "60.1.2.3")))
		}
	}
	issue := func(t *testing.T, r *Registrar, now time.Duration) ([]byte, time.Duration) {
		v := r.Register(now, request(topic, record))
		if v.Result != Waiting {
			t.Fatal(v.Result)
		}
		fill(t, r, now+v.Wait-time.Second)
		return bytes.Clone(v.Ticket), now + v.Wait
	}
	full := func(t *testing.T) *Registrar {
		r := mustRegistrar(t, Config{})
		fill(t, r, 0)
		return r
	}
	v6 := request(topic, record)
	v6.Source = netip.MustParseAddrPort("[2a00::1]:30303")
	for _, tt := range []struct {
		name string
		q    *Request
	}{
		{"advertiser", request(topic, signedBoth(t, 2, "9.1.2.3", "2a00::1"))},
		{"topic", request(Of("y"), record)},
		{"address", v6},
		{"record", request(topic, signed(t, 1, 2, "9.1.2.3", "2a00::1"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := full(t)
			b, at := issue(t, r, time.Second)
			tt.q.Ticket = b
			if v := r.Register(at, tt.q); v.Result != BadTicket || v.Waited != 0 {
				t.Errorf("%v, waited %v", v.Result, v.Waited)
			}
		})
	}
	t.Run("registrar", func(t *testing.T) {
		b, at := issue(t, full(t), time.Second)
		other := mustRegistrar(t, Config{Random: seeded(99)})
		fill(t, other, at-time.Second)
		q := request(topic, record)
		q.Ticket = b
		if v := other.Register(at, q); v.Result != BadTicket || v.Waited != 0 {
			t.Errorf("%v, waited %v", v.Result, v.Waited)
		}
	})
	t.Run("previous key", func(t *testing.T) {
		r := full(t)
		fill(t, r, keyLife-time.Minute)
		b, at := issue(t, r, keyLife-time.Second)
		if at < keyLife {
			t.Fatal("the key does not change in between")
		}
		q := request(topic, record)
		q.Ticket = b
		if v := r.Register(at, q); v.Waited == 0 {
			t.Errorf("%v, waited %v", v.Result, v.Waited)
		}
	})
	t.Run("key before that", func(t *testing.T) {
		// The window is what ends a ticket; without it the key does.
		r := full(t)
		b, _ := issue(t, r, time.Second)
		s := new(scratch)
		q := request(topic, record)
		ad := s.bind(&q.ID, &topic, q.Source.Addr(), record.Bytes())
		for i, want := range []bool{true, true, false} {
			if _, ok := r.keys.keys.Load().open(s, b, ad); ok != want {
				t.Errorf("after %d changes of the key: opens %v", i, ok)
			}
			r.Expire(time.Duration(i+1) * (keyLife + time.Second))
		}
	})
}

// Tickets hoarded and handed in together: the waiting time is computed for each, so that admissions
// stop as the cache fills.
func TestT08HoardedTickets(t *testing.T) {
	r := mustRegistrar(t, Config{Window: MaxWindow, Capacity: 100})
	rnd := rand.New(seeded(31))
	type held struct {
		q      *Request
		ticket []byte
	}
	var hoard []held
	crowd(t, r, 30)
	for i := range 1000 {
		q := request(Topic{byte(i)}, signedAt(t, i+1, 1, publicAddr(rnd)))
		if v := r.Register(0, q); len(v.Ticket) > 0 {
			hoard = append(hoard, held{q, bytes.Clone(v.Ticket)})
		}
	}
	now := DefaultLifetime
	for _, h := range hoard {
		h.q.Ticket = h.ticket
		v := r.Register(now, h.q)
		if v.Result == Admitted && v.Need > v.Waited+DefaultSlack {
			t.Fatalf("admitted after %v of %v", v.Waited, v.Need)
		}
	}
	// The factor of the occupancy alone is 35 at 0.3 C, and an ad scores 0.05 at least.
	if s := r.Stats(); len(hoard) < 900 || s.Ads > 45 || s.Ads < 5 {
		t.Errorf("%d tickets gave %d ads of %d", len(hoard), s.Ads, s.Capacity)
	}
}

// A second quote does not beat the first by more than the time that has passed, as long as topic
// and address meet the same state. Topic and address have bounds of their own, so that where both
// count the sum may fall twice as fast.
func TestT09AskingAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		topic Topic
		addr  string // "" for random ones
		speed time.Duration
	}{
		{"topic", Topic{1, 0, 1}, "10.1.1.1", 1},
		{"address", Of("new"), "", 1},
		{"both", Topic{1, 0, 1}, "", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rnd := rand.New(seeded(41))
			asked := 0
			for range 30 {
				r := mustRegistrar(t, Config{Capacity: 200})
				crowd(t, r, 20+rnd.IntN(60))
				addr := publicAddr(rnd)
				if tt.addr != "" {
					addr = netip.MustParseAddr(tt.addr)
				}
				asked += askAgain(t, r, rnd, request(tt.topic, signedAt(t, 1, 1, addr)), tt.speed)
			}
			if asked < 200 {
				t.Errorf("compared %d quotes", asked)
			}
		})
	}
}

// askAgain asks for quotes while others leave, and checks that they fall no faster than speed. The
// safety term, some milliseconds, has no bound.
func askAgain(t *testing.T, r *Registrar, rnd *rand.Rand, q *Request, speed time.Duration) (asked int) {
	var before, at time.Duration
	now := time.Second
	key := keyOf(q.Source.Addr())
	depth := r.cache.tree.score(key).depth
	for step := range 60 {
		q.Ticket = nil
		v := r.Register(now, q)
		if v.Result.Placed() {
			return asked
		}
		need := min(v.Need, DefaultLifetime)
		if step > 0 && need < before-speed*(now-at)-20*time.Millisecond {
			t.Fatalf("quoted %v, and %v later %v", before, now-at, v.Need)
		}
		asked++
		before, at = need, now
		now += time.Duration(rnd.Int64N(int64(10 * time.Second)))
		// Others leave, so that the formula alone would give less. The topic and the longest prefix
		// of the address stay.
		for range rnd.IntN(4) {
			var victim enr.ID
			r.All(now, func(a *Ad) bool {
				victim = a.ID
				return rnd.IntN(5) != 0
			})
			r.Remove(func(a *Ad) bool { return a.ID == victim && a.Topic != q.Topic })
		}
		if r.cache.tree.score(key).depth != depth {
			return asked
		}
	}
	return asked
}

// The window of a ticket, to the millisecond. Outside of it the credit is lost, and the answer is a
// new ticket: silence would look like a dead registrar.
func TestT10TicketWindow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		offset time.Duration // from the end of the quoted wait
		want   Result
	}{
		{"at once", -5 * time.Minute, Early},
		{"early", -early - 1, Early},
		{"window opens", -early, Waiting},
		{"on time", 0, Waiting},
		{"window ends", DefaultWindow, Waiting},
		{"late", DefaultWindow + 1, Late},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := busy(t, 100)
			q := request(Of("x"), signed(t, 1, 1, "9.1.2.3"))
			v := r.Register(time.Second, q)
			if v.Wait > 10*time.Minute {
				t.Fatalf("wait %v", v.Wait)
			}
			crowdAt(t, r, 2*time.Second, 300)
			now := max(time.Second+v.Wait+tt.offset, 2*time.Second)
			q.Ticket = bytes.Clone(v.Ticket)
			v = r.Register(now, q)
			if v.Result != tt.want || len(v.Ticket) != TicketSize {
				t.Fatalf("%v with a ticket of %d bytes, want %v", v.Result, len(v.Ticket), tt.want)
			}
			if waited := now - time.Second; tt.want == Waiting && v.Waited != waited || tt.want != Waiting && v.Waited != 0 {
				t.Errorf("waited %v", v.Waited)
			}
		})
	}
}

// Nothing grows with requests.
func TestT19Memory(t *testing.T) {
	steps := 300_000
	if testing.Short() || raceEnabled {
		steps = 30_000
	}
	rnd := rand.New(seeded(51))
	r := mustRegistrar(t, Config{Capacity: 200, WaitScale: 0.01})
	requests := make([]*Request, 500)
	for i := range requests {
		requests[i] = request(Topic{}, signedAt(t, i, 1, publicAddr(rnd)))
	}
	var now time.Duration
	var kept [500][TicketSize]byte
	for i := range steps {
		n := rnd.IntN(len(requests))
		q := requests[n]
		binaryTopic(&q.Topic, rnd.Uint64N(1<<20))
		q.Ticket = kept[n][:]
		v := r.Register(now, q)
		copy(kept[n][:], v.Ticket)
		now += time.Duration(rnd.IntN(int(time.Second)))
		if i%5000 == 0 {
			checkCache(t, &r.cache)
		}
	}
	c := &r.cache
	if c.slots.used > 200 || c.topics.used > 200 || c.tree.vertices.used > 400 || len(r.bounds.sets) > 100 ||
		len(c.byOwner.entries) > 400 || len(c.byPlace.entries) > 400 || len(c.byTopic.entries) > 400 {
		t.Errorf("%d slots, %d topics, %d vertices, %d sets, tables of %d, %d, %d", c.slots.used, c.topics.used,
			c.tree.vertices.used, len(r.bounds.sets), len(c.byOwner.entries), len(c.byPlace.entries), len(c.byTopic.entries))
	}
	if r.Stats().Results[Admitted] < uint64(steps)/300 {
		t.Errorf("only %d ads were admitted", r.Stats().Results[Admitted])
	}
}

func binaryTopic(t *Topic, n uint64) {
	for i := range 8 {
		t[i] = byte(n >> (8 * i))
	}
}

// The tree stays shallow whatever the addresses, so that a walk is short.
func TestT20DeepTree(t *testing.T) {
	tree := newIPTree(100_000)
	// The addresses that share the most: each differs from the first in one bit.
	first := ipKey{bits: 0x0808080800000000}
	tree.add(first)
	for i := range levels4 {
		tree.add(ipKey{bits: first.bits ^ 1<<(63-i)})
	}
	if m := tree.score(first); m.depth != levels4 {
		t.Errorf("depth %d", m.depth)
	}
	for range 100_000 - levels4 - 1 { // the same address without end takes no memory
		tree.add(first)
	}
	if tree.vertices.used > 2*levels4+1 {
		t.Errorf("%d vertices", tree.vertices.used)
	}
}

// Remove ends the ads of banned nodes immediately.
func TestT25Remove(t *testing.T) {
	r := mustRegistrar(t, Config{})
	banned, other := signed(t, 1, 1, "9.1.2.3"), signed(t, 2, 1, "60.1.2.3")
	force(r, 0, request(Of("x"), banned))
	force(r, 0, request(Of("y"), banned))
	force(r, 0, request(Of("x"), other))
	if n := r.Remove(func(a *Ad) bool {
		addr, ok := a.Addr()
		return ok && netip.MustParsePrefix("9.0.0.0/8").Contains(addr)
	}); n != 2 {
		t.Errorf("removed %d ads, want 2", n)
	}
	ads := r.Sample(0, &Query{Topic: Of("x"), Source: netip.MustParseAddr("8.8.8.8")}, mustRandom(t, 1), 10, nil)
	if len(ads) != 1 || ads[0].ID != other.ID() {
		t.Errorf("%d ads are left", len(ads))
	}
	checkCache(t, &r.cache)
}
