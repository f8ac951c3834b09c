package interop

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// serviceWait bounds the time until a node has found a service: registrations begin spread over ten
// seconds.
const serviceWait = 3 * time.Minute

// topicTraffic are the nodes of this project in a network where they are registrars, advertise one
// topic, and search for it. Its methods work on nil, which stands for a network without topics.
type topicTraffic struct {
	nodes  []*own
	geth   []*peer       // of go-ethereum, whose traces show what they cannot decode
	legacy []*legacyPeer // which show all messages that reach them
	mu     sync.Mutex
	asked  map[enr.ID]int // what was asked about topics, by events
}

// topicTypes are the messages that a node without the capability entry must not get.
var topicTypes = []codec.MessageType{codec.TypeRegTopic, codec.TypeRegConfirmation, codec.TypeTopicQuery, codec.TypeTopicNodes}

// watch notes a go-ethereum node.
func (x *topicTraffic) watch(p *peer) {
	if x != nil {
		x.geth = append(x.geth, p)
	}
}

// startLegacy starts nodes that show what reaches them, and makes them known to all others of this
// project.
func (x *topicTraffic) startLegacy(t *testing.T, ip netip.Addr, boot *enr.Record) {
	t.Helper()
	if x == nil {
		return
	}
	x.legacy = startLegacyPeers(t, ip, legacyPeers)
	for _, p := range x.legacy {
		p.contact(boot)
		for _, o := range x.nodes {
			p.contact(o.LocalRecord())
		}
	}
}

// checkLegacy checks that no topic message has reached a node without the capability entry. To show
// that it would be seen, one is sent to each of them at the end.
func (x *topicTraffic) checkLegacy(t *testing.T, members []member) {
	t.Helper()
	if x == nil {
		return
	}
	for _, p := range x.legacy {
		eventually(t, contactTimeout, time.Second, "PING and FINDNODE at a legacy peer", func() (bool, string) {
			pings, finds := p.count(codec.TypePing), p.count(codec.TypeFindNode)
			if pings == 0 || finds == 0 {
				meet(members, mixedLookups)
			}
			return pings > 0 && finds > 0, fmt.Sprintf("%d PING, %d FINDNODE", pings, finds)
		})
	}
	total := 0
	for _, p := range x.legacy {
		for kind := codec.TypePing; kind <= codec.TypeTopicNodes; kind++ {
			n := p.count(kind)
			total += n
			if n > 0 && slices.Contains(topicTypes, kind) {
				t.Errorf("%d messages %v have reached a node that is no registrar", n, kind)
			}
		}
	}
	for _, p := range x.geth {
		for kind, n := range p.trace.unknown() {
			t.Errorf("%d messages of type %d have reached a node of go-ethereum", n, kind)
		}
	}
	t.Logf("%d messages have reached %d legacy peers, none of them about topics", total, len(x.legacy))

	from, topic := x.nodes[0], discv5.TopicOf("interop")
	ask := func(to *enr.Record) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*responseTimeout)
		defer cancel()
		c := discv5.ContactOf(to)
		if _, _, err := from.QueryTopic(ctx, c, topic, 256); err == nil {
			t.Errorf("%s has answered TOPICQUERY", to.ID().Short())
		}
		if _, err := from.RegisterTopic(ctx, c, topic, nil, 256); err == nil {
			t.Errorf("%s has answered REGTOPIC", to.ID().Short())
		}
	}
	shows := func(who string, r *enr.Record, count func(codec.MessageType) int) {
		for _, kind := range []codec.MessageType{codec.TypeRegTopic, codec.TypeTopicQuery} {
			eventually(t, contactTimeout, 0, fmt.Sprintf("%v to %s shows; otherwise this tests nothing", kind, who), func() (bool, string) {
				if count(kind) == 0 {
					ask(r)
				}
				return count(kind) > 0, "none"
			})
		}
	}
	shows("a legacy peer", x.legacy[0].Record, x.legacy[0].count)
	shows("a node of go-ethereum", mustParse(t, x.geth[0].Self().String()), func(kind codec.MessageType) int {
		return x.geth[0].trace.unknown()[int(kind)]
	})
}

// start starts a node and advertises.
func (x *topicTraffic) start(t *testing.T, ip netip.Addr, boot *enr.Record) *own {
	t.Helper()
	cfg := discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.AddrPortFrom(ip, 0)}, Bootnodes: discv5.Contacts(boot), RequestTimeout: responseTimeout,
	}
	if x == nil {
		return startOwnConfig(t, cfg)
	}
	cfg.Topics = discv5.TopicConfig{Registrar: true, WaitScale: 0.001}
	o := startOwnConfig(t, cfg)
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
	for _, o := range x.nodes {
		ctx, cancel := context.WithTimeout(t.Context(), serviceWait)
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
		cancel()
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
