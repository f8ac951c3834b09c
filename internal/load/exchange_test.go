package load

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// modelExchange is what the model knows of an exchange.
type modelExchange struct {
	index int32
	sock  int32
	who   *identity
	lost  bool
}

// Lists and counts of exchanges agree with a model made of slices, whatever is done in whatever
// order.
func TestExchanges(t *testing.T) {
	const sockets, size = 3, 40
	random := rand.New(rand.NewPCG(1, 2))
	pool := newExchanges(size)
	var socks []*socket
	for range sockets {
		socks = append(socks, &socket{list: newList()})
	}
	people := []*identity{nil}
	for range 4 {
		people = append(people, &identity{live: newChain()})
	}
	lists := make([][]*modelExchange, sockets) // by the time of sending
	owned := map[*identity][]*modelExchange{}  // live ones
	var lostOnes []*modelExchange              // by age
	remove := func(list []*modelExchange, m *modelExchange) []*modelExchange {
		return slices.DeleteFunc(list, func(o *modelExchange) bool { return o == m })
	}
	forget := func(m *modelExchange) {
		lists[m.sock] = remove(lists[m.sock], m)
		lostOnes = remove(lostOnes, m)
	}
	live := func() (all []*modelExchange) {
		for _, l := range lists {
			for _, m := range l {
				if !m.lost {
					all = append(all, m)
				}
			}
		}
		return all
	}
	for step := range 20_000 {
		all := live()
		var m *modelExchange
		if len(all) > 0 {
			m = all[random.IntN(len(all))]
		}
		switch op := random.IntN(10); {
		case op < 5:
			sock, who := int32(random.IntN(sockets)), people[random.IntN(len(people))]
			i := pool.take(socks, sock, who)
			if i == none {
				if len(all) != size {
					t.Fatalf("step %d: no room with %d under way", step, len(all))
				}
				break
			}
			if len(all)+len(lostOnes) == size {
				forget(lostOnes[0])
			}
			m := &modelExchange{i, sock, who, false}
			lists[sock] = append(lists[sock], m)
			owned[who] = append(owned[who], m)
		case m == nil:
		case op < 7:
			pool.end(&socks[m.sock].list, m.index)
			forget(m)
			owned[m.who] = remove(owned[m.who], m)
		case op == 7:
			pool.markLost(&socks[m.sock].list, m.index)
			m.lost = true
			owned[m.who] = remove(owned[m.who], m)
			lostOnes = append(lostOnes, m)
		case op == 8:
			pool.resend(&socks[m.sock].list, m.index)
			lists[m.sock] = append(remove(lists[m.sock], m), m)
		case len(lostOnes) > 0:
			g := lostOnes[random.IntN(len(lostOnes))]
			pool.drop(&socks[g.sock].list, g.index)
			forget(g)
		}
		if n := len(live()); pool.live != n {
			t.Fatalf("step %d: %d under way, want %d", step, pool.live, n)
		}
		for s, want := range lists {
			checkList(t, step, pool, &socks[s].list, want)
		}
		for _, who := range people[1:] {
			checkOwned(t, step, pool, who, owned[who])
		}
		oldest := int32(none)
		if len(lostOnes) > 0 {
			oldest = lostOnes[0].index
		}
		if pool.lost.oldest != oldest {
			t.Fatalf("step %d: oldest lost %d, want %d", step, pool.lost.oldest, oldest)
		}
	}
	want := len(live())
	if n := pool.clear(socks); n != want || pool.live != 0 || pool.lost.oldest != none {
		t.Errorf("clear: %d, %d left", n, pool.live)
	}
	for i := range size {
		if pool.take(socks, 0, nil) == none {
			t.Fatalf("%d of %d can be taken after clear", i, size)
		}
	}
}

func checkList(t *testing.T, step int, pool *exchanges, l *list, want []*modelExchange) {
	t.Helper()
	i, before, firstLive := l.head, int32(none), int32(none)
	for _, m := range want {
		if i != m.index || pool.at(i).prev != before || pool.at(i).lost != m.lost {
			t.Fatalf("step %d: exchange %d in the list, want %d", step, i, m.index)
		}
		if !m.lost && firstLive == none {
			firstLive = i
		}
		i, before = pool.at(i).next, i
	}
	if i != none || l.tail != before || l.live != firstLive {
		t.Fatalf("step %d: list ends with %d, first under way %d, want %d", step, l.tail, l.live, firstLive)
	}
}

func checkOwned(t *testing.T, step int, pool *exchanges, who *identity, want []*modelExchange) {
	t.Helper()
	i, before := who.live.oldest, int32(none)
	for _, m := range want {
		if i != m.index || pool.at(i).older != before || pool.at(i).who != who {
			t.Fatalf("step %d: identity has exchange %d, want %d", step, i, m.index)
		}
		i, before = pool.at(i).newer, i
	}
	if i != none || who.live.newest != before {
		t.Fatalf("step %d: identity's list ends with %d", step, who.live.newest)
	}
}
