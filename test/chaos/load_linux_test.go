package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// account is how API calls ended.
type account struct {
	began    time.Time
	mu       sync.Mutex
	answered int
	// impatient calls gave up immediately, and are not among the others.
	impatient int
	failed    map[string]int // by error
	// answers that nobody can have given, errors that do not belong to a network's faults
	wrong   []string
	times   []time.Duration // of requests that were answered
	slowest time.Duration   // of all, answered or not
	late    []string        // calls that took longer than they may
}

// bound is the longest that a request of a node with these settings may take: each try has three
// times the timeout, and the time for a handshake, which is as long.
func bound(cfg *discv5.Config, families int) time.Duration {
	return time.Duration((cfg.Resend+1)*families) * 4 * cfg.RequestTimeout
}

// slack is the time that a busy machine may add to a bound.
const slack = 5 * time.Second

// note enters a call. limit 0 is for calls that have only their context's end.
func (a *account) note(what string, took, limit time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.slowest = max(a.slowest, took)
	if limit > 0 && took > limit+slack {
		a.late = append(a.late, fmt.Sprintf("%s took %v, of %v: %v", what, took, limit, err))
	}
	if err == nil {
		a.answered++
		a.times = append(a.times, took)
		return
	}
	if a.failed == nil {
		a.failed = make(map[string]int)
	}
	switch {
	case errors.Is(err, discv5.ErrTimeout):
		a.failed["timeout"]++
	case errors.Is(err, discv5.ErrNotFound):
		a.failed["not found"]++
	default:
		a.failed["other"]++
		a.wrong = append(a.wrong, fmt.Sprintf("%s: %v", what, err))
	}
}

// giveUp enters a call whose context had a millisecond.
func (a *account) giveUp(took time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.impatient++
	if took > slack {
		a.late = append(a.late, fmt.Sprintf("Ping of a millisecond took %v", took))
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		a.wrong = append(a.wrong, fmt.Sprintf("Ping of a millisecond: %v", err))
	}
}

func (a *account) accuse(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
}

func (a *account) calls() (n int) {
	for _, v := range a.failed {
		n += v
	}
	return n + a.answered
}

// share is the part of the calls that were answered.
func (a *account) share() float64 { return float64(a.answered) / float64(max(a.calls(), 1)) }

func (a *account) String() string {
	slices.Sort(a.times)
	quantile := func(q float64) time.Duration {
		if len(a.times) == 0 {
			return 0
		}
		return a.times[int(q*float64(len(a.times)-1))].Round(10 * time.Microsecond)
	}
	s := fmt.Sprintf("%d calls, %.1f %% answered, median %v, 99 %% within %v, slowest %v", a.calls(), 100*a.share(),
		quantile(0.5), quantile(0.99), a.slowest.Round(time.Millisecond))
	if a.impatient > 0 {
		s += fmt.Sprintf(", %d given up", a.impatient)
	}
	for _, k := range slices.Sorted(maps.Keys(a.failed)) {
		s += fmt.Sprintf(", %d %s", a.failed[k], k)
	}
	return s
}

func newAccount() *account { return &account{began: time.Now()} }

// check reports what may not be, whatever the network does, and if fewer calls were answered than
// least. It only notes delays where the machine was too busy.
func (a *account) check(t *testing.T, least float64) {
	t.Helper()
	say := func(list []string, complain func(string, ...any)) {
		if len(list) > 0 {
			complain("%d of %d calls:\n%s", len(list), a.calls(), strings.Join(list[:min(len(list), 5)], "\n"))
		}
	}
	say(a.wrong, t.Errorf)
	complain := t.Errorf
	if stalls := shared.stallsSince(a.began); stalls > 0 {
		complain = func(format string, args ...any) {
			t.Logf("%s\nThe machine is too busy to tell: the test process stood still %d times", fmt.Sprintf(format, args...), stalls)
		}
	}
	say(a.late, complain)
	if a.share() < least {
		complain("%.1f %% of the calls were answered, want %.0f %%: %v", 100*a.share(), 100*least, a)
	}
}

// load is what nodes ask of each other and of a bootnode.
type load struct {
	nodes   []*node
	others  []*enr.Record // that are asked too
	workers int           // of each node
	pause   time.Duration // between two calls of a worker
}

// run makes calls until the time is over, and returns when all have ended.
func (l load) run(t *testing.T, d time.Duration) *account {
	t.Helper()
	stop := make(chan struct{})
	defer time.AfterFunc(d, func() { close(stop) }).Stop()
	return l.until(t, stop)
}

// until makes calls until stop is closed, and returns when all have ended.
func (l load) until(t *testing.T, stop chan struct{}) *account {
	t.Helper()
	a := newAccount()
	stopped := func() bool {
		select {
		case <-stop:
			return true
		case <-t.Context().Done(): // the test has failed elsewhere
			return true
		default:
			return false
		}
	}
	var all sync.WaitGroup
	for _, n := range l.nodes {
		var to []discv5.Contact
		for _, o := range l.nodes {
			if o != n {
				to = append(to, o.contact())
			}
		}
		to = append(to, discv5.Contacts(l.others...)...)
		for range l.workers {
			all.Go(func() {
				for !stopped() {
					l.call(t.Context(), n, to[rand.IntN(len(to))], a)
					time.Sleep(l.pause/2 + rand.N(l.pause))
				}
			})
		}
	}
	all.Wait()
	for _, n := range l.nodes {
		// The node's own calls, such as lookups, continue; a call that nobody would ever end shows
		// in the time that this takes.
		if c := n.Stats().Requests; c > 1000 {
			t.Errorf("%d requests are under way after the load", c)
		}
	}
	return a
}

// call makes one call of any kind.
func (l load) call(ctx context.Context, n *node, to discv5.Contact, a *account) {
	limit := bound(&n.config, len(n.config.PacketConns))
	start := time.Now()
	done := func(what string, limit time.Duration, err error) { a.note(what, time.Since(start), limit, err) }
	switch k := rand.IntN(22); {
	case k == 20: // a call without patience ends without an answer
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err := n.Ping(short, to)
		a.giveUp(time.Since(start), err)
	case k == 21:
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		seen := make(map[enr.ID]bool)
		var last error
		for r, err := range n.Search(ctx, to.ID()) {
			if last = err; err != nil {
				break
			}
			if seen[r.ID()] {
				a.accuse("Search: a node came twice")
			}
			seen[r.ID()] = true
		}
		if ctx.Err() != nil || last == nil {
			last = ctx.Err()
		}
		done("Search", 0, last)
	case k < 7:
		_, err := n.Ping(ctx, to)
		done("Ping", limit, err)
	case k < 11:
		records, err := n.FindNode(ctx, to, 256, 255, 254, 253)
		done("FindNode", limit, err)
		for _, r := range records {
			if d := enr.LogDistance(r.ID(), to.ID()); d < 253 {
				a.accuse("FindNode brought a node at distance %d", d)
			}
		}
	case k < 16 && slices.ContainsFunc(l.nodes, func(o *node) bool { return o.ID() == to.ID() }):
		payload := make([]byte, rand.IntN(1000))
		for i := range payload {
			payload[i] = byte(rand.Uint32())
		}
		answer, err := n.Talk(ctx, to, echo, payload)
		done("Talk", limit, err)
		if err == nil && !bytes.Equal(answer, payload) {
			a.accuse("Talk: %d bytes came back of %d, or others", len(answer), len(payload))
		}
	case k < 18:
		r, err := n.RequestENR(ctx, to)
		done("RequestENR", limit, err)
		if err == nil && r.ID() != to.ID() {
			a.accuse("RequestENR: record of another node")
		}
	case k < 19:
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, err := n.Lookup(ctx, to.ID())
		done("Lookup", 0, err)
	default:
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, err := n.Resolve(ctx, to.ID())
		done("Resolve", 0, err)
	}
}
