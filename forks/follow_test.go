package forks

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/enrtest"
)

// fakeNode records what Follow does.
type fakeNode struct {
	start   time.Time
	digests []Digest
	at      []time.Duration // since start
	filters int
	fail    int // how often to fail
}

func (n *fakeNode) UpdateRecord(change func(*enr.Builder)) error {
	if n.fail > 0 {
		n.fail--
		return errors.New("disk full")
	}
	b := enr.NewBuilder()
	change(b)
	key, err := enr.ParsePrivateKey(slices.Repeat([]byte{1}, 32))
	if err != nil {
		return err
	}
	r, err := b.Sign(key)
	if err != nil {
		return err
	}
	e, _ := r.View().Eth2()
	if len(n.digests) == 0 || n.digests[len(n.digests)-1] != e.ForkDigest {
		n.digests, n.at = append(n.digests, e.ForkDigest), append(n.at, time.Since(n.start))
	}
	return nil
}

func (n *fakeNode) ApplyTableFilter() int {
	n.filters++
	return 0
}

// TestFollow runs through all forks of a chain in virtual time. The record switches within the
// second of each fork, and the filter is applied then and when each grace period ends.
func TestFollow(t *testing.T) {
	for name, failures := range map[string]int{"no failure": 0, "two failures": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				config := testChain(t).config
				config.GenesisTime = uint64(start.Unix()) + 5
				c, err := NewConsensus(config)
				if err != nil {
					t.Fatal(err)
				}
				n := &fakeNode{start: start, fail: failures}
				ctx, cancel := context.WithCancel(t.Context())
				var events []Event
				done := make(chan struct{})
				go func() {
					Follow(ctx, n, c, func(e Event) { events = append(events, e) })
					close(done)
				}()
				time.Sleep(time.Hour)
				cancel()
				<-done

				want := []time.Duration{time.Duration(failures) * retryFollow, 165 * time.Second, 325 * time.Second, 485 * time.Second}
				var digests []Digest
				for _, f := range c.Forks() {
					digests = append(digests, f.Digest)
				}
				if !slices.Equal(n.digests, digests) {
					t.Errorf("digests %v, want %v", n.digests, digests)
				}
				for i := range min(len(n.at), len(want)) {
					if late := n.at[i] - want[i]; late < 0 || late > time.Second {
						t.Errorf("fork %d at %v, want %v", i, n.at[i], want[i])
					}
				}
				if n.filters != 7+failures {
					t.Errorf("filter applied %d times", n.filters)
				}
				if len(events) != 6+failures || events[0].Err == nil != (failures == 0) {
					t.Errorf("events %v", events)
				}
			})
		})
	}
}

// TestFollowClockSet: somebody sets the clock of the machine while no fork is near. The record
// follows within half a minute, forward and back.
func TestFollowClockSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		config := testChain(t).config
		config.GenesisTime = uint64(start.Unix()) + uint64((1000 * time.Hour).Seconds())
		c, err := NewConsensus(config)
		if err != nil {
			t.Fatal(err)
		}
		list := c.Forks()
		var set atomic.Int64 // by which the clock is ahead
		clock := func() time.Time { return wallClock().Add(time.Duration(set.Load())) }
		n := &fakeNode{start: start}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			follow(ctx, n, c, nil, clock)
			close(done)
		}()
		want := []Digest{list[0].Digest}
		var at []time.Duration
		for _, fork := range []int{2, 0, 1, 0} {
			time.Sleep(100 * time.Second) // no fork begins meanwhile
			to := start
			if fork > 0 {
				to = list[fork].Start.Add(time.Second)
			}
			set.Store(int64(time.Until(to)))
			want, at = append(want, list[fork].Digest), append(at, time.Since(start))
		}
		time.Sleep(time.Minute)
		cancel()
		<-done
		if !slices.Equal(n.digests, want) {
			t.Fatalf("digests %v, want %v", n.digests, want)
		}
		for i, set := range at {
			if late := n.at[i+1] - set; late < 0 || late > maxFollowWait {
				t.Errorf("the record has followed the clock after %v", late)
			}
		}
	})
}

func TestFilter(t *testing.T) {
	c := testChain(t)
	now := when(0)
	f := NewFilter(c, func() time.Time { return now })
	of := func(digest Digest) *enr.Record {
		return enrtest.Record(t, func(b *enr.Builder) { b.SetEth2(enr.Eth2{ForkDigest: digest}) })
	}
	ours, other := of(c.forks[0].Digest), of(Digest{1, 2, 3, 4})
	for range 3 { // the same nodes once more
		if !f.Allow(ours) || f.Allow(other) || f.Allow(of(Digest{9, 9, 9, 9})) {
			t.Fatal("wrong verdict")
		}
	}
	f.Allow(enrtest.Record(t, func(*enr.Builder) {}))
	got := f.Refused()
	if len(got) != 3 || got[0].Nodes != 3 || got[0].Digest != (Digest{9, 9, 9, 9}) || got[1].Match != Absent || got[2].Nodes != 1 || got[2].Name != "" {
		t.Errorf("refused %+v", got)
	}
	now = when(400) // two forks later
	if f.Allow(ours) {
		t.Error("a node of an old fork is served")
	}
	if got := f.Refused(); len(got) != 4 {
		t.Errorf("refused %+v", got)
	}
	now = when(400 + 3601)
	if got := f.Refused(); len(got) != 0 {
		t.Errorf("refused an hour later: %+v", got)
	}
}
