package discv5

import (
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
)

// Counter names one count of a node, such as the datagrams received or the messages dropped for one
// cause. The counters are numbered from 0 to NumCounters-1; Counter.Info describes each.
type Counter = engine.Counter

// CounterInfo describes a Counter as a Prometheus metric.
type CounterInfo = engine.CounterInfo

// Counters has a count for each Counter. It is indexed by Counter.
type Counters = engine.Counters

// NumCounters is the number of counters.
const NumCounters = engine.NumCounters

// FindCounter returns the counter with a metric name and the value of its label, such as
// ("dropped_total", "banned_address"), or ("packets_received_total", "") for a counter without a
// label. docs/OPERATING.md lists the metrics. ok is false if there is none.
func FindCounter(metric, value string) (c Counter, ok bool) {
	for c := range NumCounters {
		if i := c.Info(); i.Metric == metric && i.Value == value {
			return c, true
		}
	}
	return 0, false
}

// SessionStats counts sessions and challenges.
type SessionStats = session.Stats

// TableCounters counts the changes of the table, by outcome.
type TableCounters = table.Counters

// Stats are counts of a node. Counters, Sockets, TableEvents and Records only grow.
type Stats struct {
	Counters Counters
	Sockets  fastpath.ConnStats // summed over all sockets
	// Filter has the counts of Config.SourceFilter. Datagrams that it drops at a socket are among
	// Sockets.KernelDrops too.
	Filter   fastpath.FilterStats
	Sessions SessionStats
	Table    int // members of the table
	Live     int // members that have answered
	// TableEvents counts the changes of the table since the start.
	TableEvents TableCounters
	Requests    int // requests of this node that wait for an answer
	Tasks       int // handshakes and record checks that wait for a worker
	Records     enr.CacheStats
	// Silenced counts the datagrams that were not sent because Config.MaySend returned false.
	Silenced uint64
	// Saves and SaveErrors count the calls of Config.Store that saved, and that failed.
	Saves, SaveErrors uint64
}

// Stats returns the node's counts. They are not read at one instant.
func (n *Node) Stats() (s Stats) {
	s.Counters = n.engine.Counters()
	for _, g := range n.groups {
		s.Sockets.Add(g.Stats())
	}
	if f := n.cfg.SourceFilter; f != nil {
		s.Filter = f.Stats()
	}
	for _, c := range n.sharedConns() {
		s.Sockets.Add(c.Stats())
	}
	s.Sessions = n.engine.Sessions().Stats()
	t := n.engine.Table()
	s.Table, s.Live, s.TableEvents = t.Len(), t.LiveLen(), t.Counters()
	s.Requests, s.Tasks = n.engine.Pending(), n.engine.Tasks()
	s.Records = n.engine.Records().Stats()
	s.Silenced = n.silenced.Load()
	s.Saves, s.SaveErrors = n.saver.saves.Load(), n.saver.failures.Load()
	return s
}

// Latency identifies a measured operation. It is an index of Latencies.
type Latency = engine.Latency

// Latencies has a Histogram for each Latency.
type Latencies = engine.Latencies

// Histogram counts durations in buckets. LatencyBound returns the bounds of the buckets.
type Histogram = engine.Histogram

// Measured operations.
const (
	// a PING of this node, from the last packet sent to the answer
	LatencyPing = engine.LatencyPing
	// a FINDNODE of this node, to the last packet of its answer
	LatencyFindNode = engine.LatencyFindNode
	LatencyTalk     = engine.LatencyTalk // a TALKREQ of this node
	// a handshake of this node, from the packet that led to it until the peer has used its keys
	LatencyInitiated = engine.LatencyInitiated
	// another node's handshake, from the arrival of its packet to its completion, queue included
	LatencyAccepted = engine.LatencyAccepted

	// NumLatencies is the number of measured operations.
	NumLatencies = engine.NumLatencies
)

// NumLatencyBounds is the number of bounds of a Histogram, which has one more bucket than that.
const NumLatencyBounds = engine.NumBounds

// Latency returns how long requests and handshakes took since the node was made. Requests without
// an answer are not included; Stats counts them.
func (n *Node) Latency() Latencies { return n.engine.Latencies() }

// LatencyBound returns the upper bound of bucket i of a Histogram, 0 <= i < NumLatencyBounds. The
// last bucket of Counts has none. Each bound is √2 times the one before.
func LatencyBound(i int) time.Duration { return engine.LatencyBound(i) }
