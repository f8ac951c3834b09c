package statuspage

import "time"

// Level is the gravity of a condition or an event.
type Level string

// Levels.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Failing Level = "failing" // peers are not served
)

// Status is everything that the page shows but the charts. GET /status returns it as JSON;
// docs/OPERATING.md documents the members.
type Status struct {
	Time     time.Time `json:"time"`    // when the figures were read
	Started  time.Time `json:"started"` // of the process
	Version  string    `json:"version"`
	Identity Identity  `json:"identity"`
	Health   Health    `json:"health"`
	Reach    []Reach   `json:"reach"` // IPv4, IPv6
	Load     Load      `json:"load"`
	Peers    Peers     `json:"peers"`
	Fills    []Fill    `json:"fills"`
	Drops    []Drop    `json:"drops"`
	Latency  []Latency `json:"latency"`
	Table    Table     `json:"table"`
	Limited  Limited   `json:"limited"`
	Topics   *Topics   `json:"topics,omitempty"` // with --topics
	Forks    *Forks    `json:"forks,omitempty"`  // if the node serves a chain
	Fleet    *Fleet    `json:"fleet,omitempty"`  // with --fleet
	Events   []Event   `json:"events"`           // newest first
	Streams  int       `json:"streams"`          // viewers of the live page

	conditions []Condition
}

// Identity is who the node is.
type Identity struct {
	ID     string `json:"id"`
	Seq    uint64 `json:"seq"` // of the record
	Record string `json:"record"`
	Enode  string `json:"enode,omitempty"` // if the record names an address
}

// Condition is something that an operator should know.
type Condition struct {
	Level Level  `json:"level"`
	Text  string `json:"text"` // a sentence without its period

	key string // tells whether this is the condition of before, with other numbers; default Text
}

// Health sums up the conditions.
type Health struct {
	Level   Level       `json:"level"`
	Reason  string      `json:"reason"`            // the gravest condition, or why all is well
	Further []Condition `json:"further,omitempty"` // the other conditions
}

// Reach says whether peers reach the node in one address family.
type Reach struct {
	Family   int    `json:"family"` // 4 or 6
	Endpoint string `json:"endpoint,omitempty"`
	State    string `json:"state"` // reachable, unproven, local, in_doubt or none
	Reason   string `json:"reason"`
}

// Rates are figures a second.
type Rates struct {
	PacketsIn  float64  `json:"packets_in"`
	PacketsOut float64  `json:"packets_out"`
	Handshakes float64  `json:"handshakes"`    // accepted ones
	Drops      float64  `json:"drops"`         // by the node and by the kernel
	CPU        *float64 `json:"cpu,omitempty"` // processors in use, where it is known
}

// Load is the load of the node now, and the highest of a second.
type Load struct {
	Now      Rates   `json:"now"`
	PeakHour Rates   `json:"peak_hour"`
	PeakDay  Rates   `json:"peak_day"`
	Memory   float64 `json:"memory"` // of the Go program, in bytes
}

// Peers estimates the distinct peers that had a session within the last hour.
type Peers struct {
	Hour      uint64 `json:"hour"`
	Networks  uint64 `json:"networks"`  // IPv4 /24 and IPv6 /48 that they are in
	PeakDay   uint64 `json:"peak_day"`  // the highest Hour within the last day
	Uncounted uint64 `json:"uncounted"` // sessions since the start that came too fast to be counted
}

// Fill says how full something bounded is.
type Fill struct {
	Name string `json:"name"`
	Used int    `json:"used"`
	Max  int    `json:"max"`
}

// Drop counts what was dropped for one cause, and names the limit that caused it.
type Drop struct {
	Cause   string  `json:"cause"` // as in discv5_dropped_total
	Meaning string  `json:"meaning"`
	Limit   string  `json:"limit,omitempty"`
	Total   uint64  `json:"total"`
	Hour    uint64  `json:"hour"`
	Rate    float64 `json:"rate"` // a second, over the last minute
}

// Latency has quantiles of one kind of operation within the last hour, in seconds. They are upper
// bounds, up to √2 too high.
type Latency struct {
	Operation string  `json:"operation"`
	Count     uint64  `json:"count"`
	P50       float64 `json:"p50"`
	P90       float64 `json:"p90"`
	P99       float64 `json:"p99"`
}

// Count is a group of nodes of the table.
type Count struct {
	Name  string `json:"name"`
	Nodes int    `json:"nodes"`
}

// Table describes the node table. Each list counts the members of the table once.
type Table struct {
	Members      int     `json:"members"`
	Live         int     `json:"live"`
	Replacements int     `json:"replacements"`
	Inbound      int     `json:"inbound"` // members that made the first contact
	Families     []Count `json:"families"`
	Forks        []Count `json:"forks"`
	Clients      []Count `json:"clients"`
	Ages         []Count `json:"ages"` // since the node entered the table
	// Distances has the log distances whose buckets have members, farthest first.
	Distances []Count `json:"distances"`
}

// Fork is a fork of the chain.
type Fork struct {
	Name   string     `json:"name"`
	Digest string     `json:"digest"`
	Start  *time.Time `json:"start,omitempty"` // unknown for the first one, or at a block number
}

// Forks describes the chain that the node serves.
type Forks struct {
	Chain   string `json:"chain"`
	Layer   string `json:"layer"` // consensus or execution
	Serve   string `json:"serve"` // network or all
	Current Fork   `json:"current"`
	Next    *Fork  `json:"next,omitempty"`
	// Refused has the nodes of other forks that the node refused in the last hour, the most common
	// fork first.
	Refused      []Count `json:"refused"`
	RefusedNodes int     `json:"refused_nodes"`
}

// LimitedSource is a source that was at a rate limit. Its address may be forged.
type LimitedSource struct {
	Source  string `json:"source"`  // an address or a network
	Cause   string `json:"cause"`   // the drop cause of its limit
	Seconds int    `json:"seconds"` // of the last hour
}

// Limited has the sources that were at a rate limit longest within the last hour.
type Limited struct {
	Sources []LimitedSource `json:"sources"`
	Others  int             `json:"others"` // further sources
}

// TopicAds is a topic with its ads.
type TopicAds struct {
	Topic string `json:"topic"` // 64 hexadecimal digits
	Ads   int    `json:"ads"`
}

// Topics describes the registrar of topics.
type Topics struct {
	Ads      int        `json:"ads"`
	Capacity int        `json:"capacity"`
	Topics   int        `json:"topics"`
	Queries  uint64     `json:"queries"`
	Returned uint64     `json:"returned"` // ads in responses to queries
	Expired  uint64     `json:"expired"`
	Largest  []TopicAds `json:"largest"`
}

// Event is something that happened.
type Event struct {
	Time  time.Time `json:"time"` // of the last one, if Count is more than 1
	Level Level     `json:"level"`
	Text  string    `json:"text"`
	Count int       `json:"count"` // equal events in a row
}

// History is GET /history: the points of the charts.
type History struct {
	Hour Window `json:"hour"`
	Day  Window `json:"day"`
}

// Window has the points of one time span, oldest first. A value is null if there was nothing to
// measure.
type Window struct {
	Step   float64           `json:"step"` // seconds between two points
	End    *time.Time        `json:"end"`  // of the newest point; null if there is none yet
	Series map[string]Points `json:"series"`
}

// Points are the values of one series.
type Points struct {
	Mean []*float32 `json:"mean"`
	Max  []*float32 `json:"max"`
}
