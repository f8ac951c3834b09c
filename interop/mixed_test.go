package interop

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5/enr"
)

const (
	mixedSize = 4 // nodes of each kind

	// mixedTimeout and mixedRounds bound the time until lookups find all nodes. The first round of
	// lookups takes many seconds on a small machine, and minutes on a busy one.
	mixedTimeout = 5 * time.Minute
	mixedRounds  = 3

	// mixedLookups is the number of concurrent lookups over all nodes. Those of the TypeScript
	// nodes take most of the processors.
	mixedLookups = 6
)

// TestMixedNetwork runs nodes of all kinds that know only our bootnode. Lookups of a node of each
// kind must find all reachable nodes of each kind. It leaves out a kind whose toolchain is missing.
func TestMixedNetwork(t *testing.T) {
	for _, family := range []struct {
		name string
		ip   netip.Addr
	}{{"IPv4", loopback4}, {"IPv6", loopback6}} {
		t.Run(family.name, func(t *testing.T) {
			requireAddr(t, family.ip)
			mixed(t, family.ip, nil)
		})
	}
}

// TestMixedNetworkTopics is TestMixedNetwork beside registrars of topics: the bootnode and the
// nodes of this project, which are two processes, register and find each other's service. Lookups
// find as many as ever, and only registrars are asked about topics.
func TestMixedNetworkTopics(t *testing.T) {
	t.Parallel() // with tests that mostly wait
	requireAddr(t, loopback4)
	mixed(t, loopback4, new(topicTraffic))
}

// Kinds of members other than the foreign implementations.
const (
	ownKind  = "own"
	gethKind = "go-ethereum"
)

// member is a node of the mixed network.
type member struct {
	kind   string
	record *enr.Record
	lookup func(target enr.ID) ([]enr.ID, error)
}

// mixed runs the network, with topics if traffic is not nil.
func mixed(t *testing.T, ip netip.Addr, traffic *topicTraffic) {
	cfg := newBootConfig(t, ip)
	cfg.topics = traffic != nil
	boot := startBootnode(t, cfg)
	record := mustParse(t, boot.node.String())
	foreigners := available(t)
	if t.Failed() {
		return
	}
	members := startMembers(t, ip, record, foreigners, traffic)

	start := time.Now()
	meet(members, mixedLookups) // foreign nodes contact no one on their own
	checkBootnodeRelays(t, ip, record, members)
	left := searches(members)
	all := len(left)
	for round := 1; ; round++ {
		meet(members, mixedLookups)
		var failures []string
		if left, failures = search(left, mixedLookups); len(left) == 0 {
			t.Logf("%d nodes around the bootnode: all %d lookups found their target after %v, round %d",
				len(members), all, time.Since(start).Round(time.Millisecond), round)
			traffic.startLegacy(t, ip, record)
			if traffic != nil {
				meet(members, mixedLookups)
			}
			traffic.check(t, record)
			traffic.checkLegacy(t, members)
			return
		}
		t.Logf("round %d: %d of %d lookups found their target", round, all-len(left), all)
		if took := time.Since(start); took > mixedTimeout && round > mixedRounds {
			t.Fatalf("lookups do not find everybody after %v:\n%s", took.Round(time.Second), strings.Join(failures, "\n"))
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// available returns the foreign implementations whose toolchains are installed.
func available(t *testing.T) (list []*implementation) {
	for _, impl := range []*implementation{rust, typeScript} {
		// A subtest, so that a skip is visible and does not skip the rest.
		t.Run(impl.name, func(t *testing.T) {
			impl.require(t)
			list = append(list, impl)
		})
	}
	return list
}

// startMembers starts all nodes. Processes start in parallel, because that takes most of the time.
func startMembers(
	t *testing.T, ip netip.Addr, boot *enr.Record, foreigners []*implementation, traffic *topicTraffic,
) []member {
	t.Helper()
	bootNode := enode.MustParse(boot.String())
	members := startForeigners(t, foreigners, mixedSize, func() netip.Addr { return ip }, boot)
	for range mixedSize {
		members = append(members, traffic.start(t, ip, boot).member())
		p := startPeer(t, peerConfig{
			addr: netip.AddrPortFrom(ip, 0), bootnodes: []*enode.Node{bootNode}, pingInterval: swarmPingInterval, timeout: responseTimeout,
		})
		traffic.watch(p)
		members = append(members, p.member(t))
	}
	return members
}

// startForeigners starts n processes of each implementation, at the addresses that next returns,
// and gives them the bootnode.
func startForeigners(
	t *testing.T, foreigners []*implementation, n int, next func() netip.Addr, boot *enr.Record,
) (members []member) {
	t.Helper()
	for _, impl := range foreigners {
		drivers := make([]*driver, n)
		for i := range drivers {
			drivers[i] = newDriver(t, impl, next())
		}
		var wg sync.WaitGroup
		errs := make([]error, n)
		for i, d := range drivers {
			wg.Go(func() {
				if errs[i] = d.run(nil); errs[i] == nil {
					errs[i] = d.add(boot)
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for _, d := range drivers {
			members = append(members, member{impl.name, d.record(t), func(target enr.ID) ([]enr.ID, error) {
				found, err := d.lookup(target)
				return idsOf(found), err
			}})
		}
	}
	return members
}

// member returns the node as a member of a mixed network.
func (o *own) member() member {
	return member{ownKind, o.LocalRecord(), func(target enr.ID) ([]enr.ID, error) {
		found, err := o.lookup(target)
		return idsOf(found), err
	}}
}

// member returns the node as a member of a mixed network.
func (p *peer) member(t *testing.T) member {
	t.Helper()
	return member{gethKind, mustParse(t, p.Self().String()), func(target enr.ID) ([]enr.ID, error) {
		var ids []enr.ID
		for _, n := range p.Lookup(enode.ID(target)) {
			ids = append(ids, enr.ID(n.ID()))
		}
		return ids, nil
	}}
}

func idsOf(records []*enr.Record) []enr.ID {
	ids := make([]enr.ID, len(records))
	for i, r := range records {
		ids[i] = r.ID()
	}
	return ids
}

// meet lets each node look up itself and a random target, as applications do from time to time, a
// number of nodes at the same time. Foreign nodes add others to their tables only when they query
// them.
func meet(members []member, atOnce int) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, m := range members {
		slots <- struct{}{}
		wg.Go(func() {
			m.lookup(m.record.ID())
			m.lookup(enr.ID(randomID()))
			<-slots
		})
	}
	wg.Wait()
}

// canReach reports whether m can contact the other node. Without "udp6" in a record, "udp" is the
// port for both families. go-ethereum leaves "udp6" out for that reason, but the foreign
// implementations do not contact such a node over IPv6.
func (m *member) canReach(other member) bool {
	if m.kind != rust.name && m.kind != typeScript.name {
		return true
	}
	if _, v4 := other.record.UDPEndpoint4(); v4 {
		return true
	}
	for key := range other.record.Pairs() {
		if string(key) == "udp6" {
			return true
		}
	}
	return false
}

// pair is a node and another one that its lookup must find.
type pair struct{ from, to member }

// searches returns pairs of one node of each kind with all others that it can reach.
func searches(members []member) (pairs []pair) {
	asked := make(map[string]bool)
	for _, from := range members {
		if asked[from.kind] {
			continue
		}
		asked[from.kind] = true
		for _, to := range members {
			if to.record.ID() != from.record.ID() && from.canReach(to) {
				pairs = append(pairs, pair{from, to})
			}
		}
	}
	return pairs
}

// search looks up the target of each pair, a number of them at the same time, and returns the
// failed pairs with a line about each.
func search(pairs []pair, atOnce int) (failed []pair, failures []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, p := range pairs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found, err := p.from.lookup(p.to.record.ID())
			if err == nil && slices.Contains(found, p.to.record.ID()) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, p)
			failures = append(failures, fmt.Sprintf("%s node %s does not find %s node %s among %d nodes, error %v",
				p.from.kind, p.from.record.ID().Short(), p.to.kind, p.to.record.ID().Short(), len(found), err))
		})
	}
	wg.Wait()
	return failed, failures
}

// checkBootnodeRelays requests each distance from the bootnode, which must return nodes of each
// kind with their records.
func checkBootnodeRelays(t *testing.T, ip netip.Addr, boot *enr.Record, members []member) {
	t.Helper()
	probe := startOwn(t, ip)
	want := make(map[string]bool)
	for _, m := range members {
		want[m.kind] = true
	}
	eventually(t, relayTimeout, time.Second, "nodes of each kind relayed by the bootnode", func() (bool, string) {
		relayed := make(map[string]int)
		for dist := uint(minBucketDist); dist <= maxBucketDist; dist++ {
			list, err := probe.findNode(boot, dist)
			if err != nil {
				return false, err.Error()
			}
			for _, m := range members {
				if holds(list, m.record) {
					relayed[m.kind]++
				}
			}
		}
		return len(relayed) == len(want), fmt.Sprint(relayed)
	})
}
