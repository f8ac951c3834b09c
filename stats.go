package discv5

import (
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/session"
)

// Stats are counts of a node.
type Stats struct {
	Counters engine.Counters
	Sockets  fastpath.ConnStats // summed over all sockets
	Sessions session.Stats
	Table    int // nodes in the table
	Live     int // those among them that have answered
	Requests int // of this node, under way
	Jobs     int // handshakes and the like that wait
	Records  enr.CacheStats
}

// Stats counts.
func (n *Node) Stats() (s Stats) {
	s.Counters = n.engine.Counters()
	for _, g := range n.groups {
		s.Sockets.Add(g.Stats())
	}
	s.Sessions = n.engine.Sessions().Stats()
	t := n.engine.Table()
	s.Table, s.Live = t.Len(), t.LiveLen()
	s.Requests, s.Jobs = n.engine.Pending(), n.engine.Jobs()
	s.Records = n.engine.Records().Stats()
	return s
}

// Latency is what is timed at a node: an index of Latencies.
type Latency = engine.Latency

// Latencies has a Histogram for each Latency: how many times something took how long.
type Latencies = engine.Latencies

// Histogram counts durations in buckets whose bounds are LatencyBound.
type Histogram = engine.Histogram

// What is timed.
const (
	LatencyPing     = engine.LatencyPing     // own PING, from the last packet sent to the answer
	LatencyFindNode = engine.LatencyFindNode // own FINDNODE, to the last packet of its answer
	LatencyTalk     = engine.LatencyTalk     // own TALKREQ
	// own handshake, from the packet that led to it until the peer has used its keys
	LatencyInitiated = engine.LatencyInitiated
	// another node's, from the arrival of its packet to the end of the work on it, queue included
	LatencyAccepted = engine.LatencyAccepted
)

// Latency returns how long requests and handshakes took since the node was made. Requests that were
// not answered are not in it: Stats counts them.
func (n *Node) Latency() Latencies { return n.engine.Latencies() }

// LatencyBound is the upper bound of bucket i of a Histogram, 0 <= i < engine.NumBounds. The last
// bucket of Counts has none.
func LatencyBound(i int) time.Duration { return engine.LatencyBound(i) }
