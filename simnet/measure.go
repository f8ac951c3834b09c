package simnet

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/lookup"
)

// Sample describes a swarm over some time. Numbers are averages over all nodes that were running;
// rates are those of one node in one hour.
type Sample struct {
	// At is the time at its end, in seconds, and Seconds its length.
	At, Seconds float64
	Running     int
	Left        int // so far

	// Sent by one node in an hour: datagrams and their bytes, without IP and UDP headers. Requests
	// are those that have ended; TimedOut is the share of them without a response.
	Datagrams, Bytes, Handshakes, Requests, TimedOut float64

	// Tables at the end. Entries are the members of a table, and Relayed those that the node would
	// return in NODES. EntriesAlive and RelayedAlive are the shares whose node was running.
	Entries, EntriesAlive, Relayed, RelayedAlive float64
	// Sessions of a node at the end, the most of any, and the calls under way of all.
	Sessions    float64
	MaxSessions int
	Pending     int

	Lookups LookupSample
	// Topics is nil unless SwarmConfig.Topics has topics.
	Topics *TopicSample `json:",omitempty"`
}

// LookupSample is how lookups went that ended within a sample.
type LookupSample struct {
	Ended int
	// Recall is the share of the 16 closest nodes that a lookup found, of those that it could reach
	// and that were running from its beginning to its end. RecallSettled counts only those that had
	// been running for SwarmConfig.Settled. Closest is the share of lookups that found the closest
	// of the latter.
	Recall, RecallSettled, Closest float64
	// Hops is the number of nodes that were asked one after another to get to the closest, Queries
	// the number of all that were asked, Failed the share of these that did not respond, and Took
	// the time in seconds.
	Hops, Queries, Failed, Took float64
	MaxHops                     int
	MaxTook                     float64
}

// Sample measures the swarm since the last Sample, or since it had joined.
func (s *Swarm) Sample() Sample {
	p, now := s.measure(&s.past, &s.found)
	s.past = now
	if s.topics != nil {
		past, found := s.topics.past, s.topics.found
		s.topics.mark()
		p.Topics = s.topics.sample(&found, &past)
	}
	s.all.merge(&s.found)
	s.found = findings{}
	return p
}

// Whole measures the swarm since it had joined.
func (s *Swarm) Whole() Sample {
	all := s.all
	all.merge(&s.found)
	p, _ := s.measure(&s.joined, &all)
	if s.topics != nil {
		p.Topics = s.topics.sample(s.topics.whole(), &s.topics.joined)
	}
	return p
}

// measure makes a Sample of what has been counted since past.
func (s *Swarm) measure(past *window, found *findings) (Sample, window) {
	now := s.n.window()
	p := Sample{At: now.at.Seconds(), Seconds: (now.at - past.at).Seconds(), Left: s.Left, Lookups: found.sample()}
	if hours := (now.nodeTime - past.nodeTime).Hours(); hours > 0 {
		rate := func(list ...engine.Counter) (sum float64) {
			for _, c := range list {
				sum += float64(now.counters[c] - past.counters[c])
			}
			return sum / hours
		}
		p.Datagrams, p.Bytes = rate(engine.PacketsOut), rate(engine.BytesOut)
		p.Handshakes = rate(engine.HandshakesSent)
		if p.Requests = rate(engine.RequestsAnswered, engine.RequestsTimedOut, engine.RequestsFailed); p.Requests > 0 {
			p.TimedOut = rate(engine.RequestsTimedOut) / p.Requests
		}
	}
	s.tables(&p)
	return p, now
}

// tables looks at tables and sessions.
func (s *Swarm) tables(p *Sample) {
	alive := make(map[enr.ID]struct{}, len(s.n.nodes))
	for _, nd := range s.n.nodes {
		if nd.Running() {
			alive[nd.ID()] = struct{}{}
		}
	}
	p.Running = len(alive)
	var entries, good, relayed, goodRelayed, sessions float64
	for _, nd := range s.n.nodes {
		if !nd.Running() {
			continue
		}
		k := nd.engine().Sessions().Stats().Sessions
		sessions += float64(k)
		p.MaxSessions = max(p.MaxSessions, k)
		p.Pending += nd.engine().Pending()
		for e, st := range nd.engine().Table().All() {
			if !st.Member {
				continue
			}
			_, ok := alive[e.ID]
			entries++
			good += one(ok)
			relayed += one(st.Live)
			goodRelayed += one(st.Live && ok)
		}
	}
	if p.Running > 0 {
		p.Entries, p.Relayed, p.Sessions = entries/float64(p.Running), relayed/float64(p.Running), sessions/float64(p.Running)
	}
	if entries > 0 && relayed > 0 {
		p.EntriesAlive, p.RelayedAlive = good/entries, goodRelayed/relayed
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// window is what has been counted at a time.
type window struct {
	at       time.Duration
	counters engine.Counters
	nodeTime time.Duration
}

// window sums what all nodes have counted that ever were.
func (n *Network) window() window {
	w := window{at: n.Now(), counters: n.past.counters, nodeTime: n.past.nodeTime}
	for _, nd := range n.nodes {
		if nd.engine() != nil {
			w.count(nd)
		}
	}
	return w
}

// count adds a node in its present life.
func (w *window) count(nd *Node) {
	for i, v := range nd.machine.Load().eng.Counters() {
		w.counters[i] += v
	}
	w.nodeTime += nd.Uptime()
}

// findings are the sums of lookups.
type findings struct {
	begun, ended, maxHops int
	recall, settled       float64
	closest, hops         float64
	queries, failed       float64
	took, maxTook         time.Duration
}

func (f *findings) add(n *Network, nd *Node, target enr.ID, l foundNodes, settled time.Duration) {
	if nd.engine() == nil {
		return
	}
	f.ended++
	all := n.reachable(nd, target, l.took)
	old := slices.DeleteFunc(slices.Clone(all), func(c closeNode) bool { return c.uptime < settled })
	f.recall += overlap(all, l.nodes)
	f.settled += overlap(old, l.nodes)
	if len(old) > 0 && len(l.nodes) > 0 && slices.ContainsFunc(l.nodes, func(c lookup.Peer) bool { return c.ID == old[0].id }) {
		f.closest++
	}
	f.hops += float64(l.Hops)
	f.maxHops = max(f.maxHops, l.Hops)
	f.queries += float64(l.Queries)
	f.failed += float64(l.Failures)
	f.took += l.took
	f.maxTook = max(f.maxTook, l.took)
}

// merge adds what other lookups have found.
func (f *findings) merge(o *findings) {
	f.begun, f.ended = f.begun+o.begun, f.ended+o.ended
	f.recall, f.settled, f.closest = f.recall+o.recall, f.settled+o.settled, f.closest+o.closest
	f.hops, f.queries, f.failed = f.hops+o.hops, f.queries+o.queries, f.failed+o.failed
	f.took += o.took
	f.maxHops, f.maxTook = max(f.maxHops, o.maxHops), max(f.maxTook, o.maxTook)
}

func (f *findings) sample() (p LookupSample) {
	if p.Ended = f.ended; f.ended == 0 {
		return p
	}
	k := float64(f.ended)
	p.Recall, p.RecallSettled, p.Closest, p.Hops = f.recall/k, f.settled/k, f.closest/k, f.hops/k
	p.Queries, p.Took, p.MaxHops, p.MaxTook = f.queries/k, f.took.Seconds()/k, f.maxHops, f.maxTook.Seconds()
	if f.queries > 0 {
		p.Failed = f.failed / f.queries
	}
	return p
}

// overlap is the share of want among what was found.
func overlap(want []closeNode, found []lookup.Peer) float64 {
	if len(want) == 0 {
		return 1
	}
	n := 0
	for _, w := range want {
		if slices.ContainsFunc(found, func(c lookup.Peer) bool { return c.ID == w.id }) {
			n++
		}
	}
	return float64(n) / float64(len(want))
}

// closeNode is a node that a lookup should find.
type closeNode struct {
	id     enr.ID
	uptime time.Duration
}

// reachable returns the closest nodes to target that a node could find: running for so long, with a
// public address of a family that the node has. The node itself is none of them.
func (n *Network) reachable(from *Node, target enr.ID, uptime time.Duration) []closeNode {
	var best [lookup.DefaultK]closeNode
	count := 0
	for _, nd := range n.nodes {
		if !nd.Running() || nd.Uptime() < uptime || nd == from || !nd.publicTo(from) {
			continue
		}
		id := nd.key.ID()
		i := count
		for i > 0 && enr.CompareDistance(target, id, best[i-1].id) < 0 {
			i--
		}
		if i == len(best) {
			continue
		}
		count = min(count+1, len(best))
		copy(best[i+1:count], best[i:count-1])
		best[i] = closeNode{id, nd.Uptime()}
	}
	return slices.Clone(best[:count])
}

// publicTo reports whether another node can send to this one unasked.
func (nd *Node) publicTo(from *Node) bool {
	for i := range nd.list {
		if p := &nd.list[i]; p.addr.IsValid() && p.nat == nil && from.list[i].addr.IsValid() {
			return true
		}
	}
	return false
}

// randomID is an ID of the network's generator.
func (n *Network) randomID() (id enr.ID) {
	for i := 0; i < len(id); i += 8 {
		binary.LittleEndian.PutUint64(id[i:], n.rng.Uint64())
	}
	return id
}
