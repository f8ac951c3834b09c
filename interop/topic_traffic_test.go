package interop

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// serviceWait bounds the time until a service is found: registrations begin spread over ten
// seconds.
const serviceWait = 2 * time.Minute

// topicTraffic are the nodes of this project in a network where they are registrars, advertise one
// topic, and search for it. Its methods work on nil, which stands for a network without topics.
type topicTraffic struct {
	nodes []*own
	mu    sync.Mutex
	asked map[enr.ID]int // what was asked about topics, by events
}

// start starts a node and advertises.
func (x *topicTraffic) start(t *testing.T, ip netip.Addr, boot *enr.Record) *own {
	t.Helper()
	if x == nil {
		return startOwn(t, ip, boot)
	}
	o := startOwnConfig(t, discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.AddrPortFrom(ip, 0)}, Bootnodes: discv5.Contacts(boot),
		Topics: discv5.TopicConfig{Registrar: true, WaitScale: 0.001},
	})
	x.nodes = append(x.nodes, o)
	sub := o.Subscribe(1<<12, discv5.EventTopicPlaced, discv5.EventTopicWaiting, discv5.EventTopicLost, discv5.EventTopicFailed)
	t.Cleanup(sub.Close)
	go func() {
		for ev := range sub.C {
			x.mu.Lock()
			if x.asked == nil {
				x.asked = make(map[enr.ID]int)
			}
			x.asked[ev.ID]++
			x.mu.Unlock()
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	if _, err := o.AdvertiseTopic(ctx, discv5.TopicOf("interop")); err != nil {
		t.Fatal("advertising:", err)
	}
	return o
}

// check searches from each node until it has found the others, and checks the nodes that they have
// asked.
func (x *topicTraffic) check(t *testing.T, boot *enr.Record) {
	t.Helper()
	if x == nil {
		return
	}
	registrars := map[enr.ID]bool{boot.ID(): true}
	for _, o := range x.nodes {
		registrars[o.ID()] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), serviceWait)
	defer cancel()
	for _, o := range x.nodes {
		left := len(x.nodes) - 1
		seen := map[enr.ID]bool{o.ID(): true}
		for r := range o.SearchTopic(ctx, discv5.TopicOf("interop")) {
			if !registrars[r.ID()] {
				t.Errorf("%v was found, which advertises nothing", r.ID())
			}
			if !seen[r.ID()] {
				seen[r.ID()] = true
				left--
			}
			if left == 0 {
				break
			}
		}
		if left > 0 {
			t.Errorf("%v did not find %d of %d members", o.ID().Short(), left, len(x.nodes)-1)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.asked) == 0 {
		t.Error("nobody was asked to register")
	}
	for id, n := range x.asked {
		if !registrars[id] {
			t.Errorf("%v, which is no registrar, was asked %d times", id, n)
		}
	}
	t.Logf("%d nodes found each other by their topic; %d registrars took part", len(x.nodes), len(x.asked))
}
