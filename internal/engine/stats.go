package engine

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// Counter identifies one count of an engine. Every drop has one.
type Counter int

// The counters. Bytes are UDP payload.
const (
	PacketsIn Counter = iota
	BytesIn
	PacketsOut
	BytesOut

	// Datagrams that are not packets of this protocol; see the errors of package codec.
	DropSize
	DropProtocol
	DropFlag
	DropAuthSize
	DropTrailing
	DropNoMessage
	DropKeySizes
	DropRecordSize
	DropSelf // claims our own node ID

	DropBannedAddr // source address is banned
	DropOutside    // source address is outside of the allowed networks
	DropBannedID   // node ID is banned
	RateUnverified // source exceeds the limit of datagrams that do not open
	RateHandshake  // source exceeds the limit of handshakes
	RateVerified   // session exceeds the limit of requests
	RateTalk       // session exceeds the limit of TALK requests with a handler

	DropChallengesFull // a live challenge that was evicted for a newer one: the table was full
	DropUnasked        // WHOAREYOU that answers none of our packets, or from another address
	DropNoChallenge    // handshake without a live challenge, or with its attempts used up
	DropInboundFull    // handshake, queue full
	// later handshake of a name, and the part of the queue for later ones is full
	DropInboundLater
	DropInboundQuota    // handshake, source prefix has used up its quota of the queue
	DropOwnFull         // task of one of our calls, queue full
	DropHandshakeRecord // handshake refused: its record
	DropHandshakeOwner  // handshake refused: record of another node
	DropHandshakeProof  // handshake refused: ID signature
	DropHandshakeKey    // handshake refused: ephemeral key
	DropHandshakeOpen   // handshake refused: message does not open
	// handshake good, but its challenge has ended or there is no room for a session
	DropHandshakeLate

	// Messages that opened, but were refused.
	DropReplay // opened before: replayed, or duplicated by the network
	DropMessageType
	DropMessageForm
	DropRequestID
	DropDistance
	DropUnsolicited // response to no request of ours, of the wrong type or from another node
	DropTopic       // REGTOPIC or TOPICQUERY to a node that is not a registrar
	DropTopicRecord // REGTOPIC with a record that does not parse or verify
	DropTopicLate   // REGTOPIC whose session ended while its record was being verified
	RateTopicRecord // REGTOPIC with a new record, see recordCheckLimit
	DropTooLarge    // our response would not fit into a packet
	DropTalkBusy    // TALKREQ for a registered protocol whose handlers are all busy
	DropSendQueue   // no buffer to send from
	DropUnproven    // request with a larger response, from an endpoint that did not answer our PING

	// Records of NODES responses that were left out.
	DropNodeRecord   // does not parse or verify
	DropNodeDistance // not at a distance that was asked for
	DropNodeRelay    // an address that this peer may not relay to us
	DropNodeExcess   // more records or packets than a response may have

	// Messages in, by type.
	InPing
	InPong
	InFindNode
	InNodes
	InTalkRequest
	InTalkResponse
	InRegTopic
	InRegConfirmation
	InTopicQuery
	InTopicNodes

	// Messages out, by type.
	OutPing
	OutPong
	OutFindNode
	OutNodes
	OutTalkRequest
	OutTalkResponse
	OutRegTopic
	OutRegConfirmation
	OutTopicQuery
	OutTopicNodes
	OutRandom // packets that ask for a handshake

	WhoareyouSent
	WhoareyouRepeated
	WhoareyouReceived
	HandshakesReceived // good ones
	HandshakesSent
	SessionsInbound
	SessionsOutbound
	Rekeys          // messages not answered because the keys were used up
	Retransmissions // messages answered a second time; see replayFilter

	BootnodesAnswered
	BootnodesFailed

	RequestsAnswered
	RequestsTimedOut
	RequestsRetried
	RequestsFailed

	// Records in responses to topic requests, besides ads.
	AuxiliaryReturned
	// Topic requests of this node's advertisers and searches.
	AdvertiserAnswered
	AdvertiserFailed
	DiscovererAnswered
	DiscovererFailed

	AnswersWithheld // responses that wait until the requester has answered a PING

	// Requests of this node that the budget for unproven endpoints refused.
	BudgetRate     // the destination or its network has used up its packets
	BudgetRepeated // the node was probed there before
	BudgetUnfunded // the party that named the destination has not sent enough
	BudgetClaims   // the network of the source has used up its probes and record requests

	NumCounters
)

// Counters are the values of all counters.
type Counters [NumCounters]uint64

// CounterInfo describes a counter: the name of its metric by Prometheus convention without prefix,
// the label that tells it from other counters of the metric, and its help text.
type CounterInfo struct {
	Metric, Label, Value string
	Help                 string
}

const (
	helpDropped = "Datagrams, messages and records that were dropped, by cause."
	helpIn      = "Messages that opened, by type."
	helpOut     = "Messages sent, by type."
)

func drop(cause string) CounterInfo {
	return CounterInfo{"dropped_total", "cause", cause, helpDropped}
}
func in(t string) CounterInfo  { return CounterInfo{"messages_received_total", "type", t, helpIn} }
func out(t string) CounterInfo { return CounterInfo{"messages_sent_total", "type", t, helpOut} }
func refused(cause string) CounterInfo {
	return CounterInfo{"budget_refused_total", "cause", cause, "Packets that were not sent to endpoints that have not answered, by cause."}
}
func topicRequest(result, role string) CounterInfo {
	return CounterInfo{"topic_requests_" + result + "_total", "role", role, "Topic requests that this node made and that were " + result + ", by role."}
}
func plain(name, help string) CounterInfo {
	return CounterInfo{Metric: name, Help: help}
}

// Info describes c.
func (c Counter) Info() CounterInfo { return counterInfo[c] }

var counterInfo = [NumCounters]CounterInfo{
	PacketsIn:  plain("packets_received_total", "Datagrams received."),
	BytesIn:    plain("received_bytes_total", "UDP payload received, in bytes."),
	PacketsOut: plain("packets_sent_total", "Datagrams sent."),
	BytesOut:   plain("sent_bytes_total", "UDP payload sent, in bytes."),

	DropSize: drop("size"), DropProtocol: drop("protocol"), DropFlag: drop("flag"),
	DropAuthSize: drop("authdata_size"), DropTrailing: drop("trailing_bytes"), DropNoMessage: drop("no_message"),
	DropKeySizes: drop("key_sizes"), DropRecordSize: drop("record_size"), DropSelf: drop("own_id"),
	DropBannedAddr: drop("banned_address"), DropOutside: drop("outside_netrestrict"), DropBannedID: drop("banned_id"),
	RateUnverified: drop("rate_unverified"), RateHandshake: drop("rate_handshake"), RateVerified: drop("rate_verified"),
	RateTalk:           drop("rate_talk"),
	DropChallengesFull: drop("challenges_full"), DropUnasked: drop("whoareyou_unasked"),
	DropNoChallenge: drop("handshake_unchallenged"), DropInboundFull: drop("handshake_queue_full"),
	DropInboundQuota: drop("handshake_prefix_quota"), DropInboundLater: drop("handshake_later_full"), DropOwnFull: drop("own_queue_full"),
	DropHandshakeRecord: drop("handshake_record"), DropHandshakeOwner: drop("handshake_record_owner"),
	DropHandshakeProof: drop("handshake_signature"), DropHandshakeKey: drop("handshake_ephemeral_key"),
	DropHandshakeOpen: drop("handshake_message"), DropHandshakeLate: drop("handshake_late"),
	DropReplay: drop("replay"), DropMessageType: drop("message_type"), DropMessageForm: drop("message_form"),
	DropRequestID: drop("request_id"), DropDistance: drop("distance"), DropUnsolicited: drop("answer_unsolicited"),
	DropTopic: drop("topic_message"), DropTopicRecord: drop("topic_record"), DropTopicLate: drop("topic_late"),
	RateTopicRecord: drop("rate_topic_record"), DropTooLarge: drop("answer_too_large"), DropTalkBusy: drop("talk_busy"), DropUnproven: drop("answer_unproven"),
	DropSendQueue: drop("send_queue"), DropNodeRecord: drop("nodes_record"), DropNodeDistance: drop("nodes_distance"),
	DropNodeRelay: drop("nodes_relay_address"), DropNodeExcess: drop("nodes_excess"),

	InPing: in("ping"), InPong: in("pong"), InFindNode: in("findnode"), InNodes: in("nodes"),
	InTalkRequest: in("talkreq"), InTalkResponse: in("talkresp"), InRegTopic: in("regtopic"),
	InRegConfirmation: in("regconfirmation"), InTopicQuery: in("topicquery"), InTopicNodes: in("topicnodes"),
	OutPing: out("ping"), OutPong: out("pong"), OutFindNode: out("findnode"), OutNodes: out("nodes"),
	OutTalkRequest: out("talkreq"), OutTalkResponse: out("talkresp"), OutRegTopic: out("regtopic"),
	OutRegConfirmation: out("regconfirmation"), OutTopicQuery: out("topicquery"), OutTopicNodes: out("topicnodes"),
	OutRandom: out("random"),

	WhoareyouSent:      {"whoareyou_sent_total", "kind", "new", "WHOAREYOU packets sent."},
	WhoareyouRepeated:  {"whoareyou_sent_total", "kind", "repeated", "WHOAREYOU packets sent."},
	WhoareyouReceived:  plain("whoareyou_received_total", "WHOAREYOU packets that answered one of our packets."),
	HandshakesReceived: {"handshakes_total", "side", "recipient", "Handshakes that this node accepted or sent."},
	HandshakesSent:     {"handshakes_total", "side", "initiator", "Handshakes that this node accepted or sent."},
	SessionsInbound:    {"sessions_established_total", "direction", "inbound", "Sessions established, by direction."},
	SessionsOutbound:   {"sessions_established_total", "direction", "outbound", "Sessions established, by direction."},
	Retransmissions:    plain("retransmissions_total", "Messages answered a second time because the peer sent the same bytes again."),
	Rekeys:             plain("rekeys_total", "Sessions whose keys were used up, so that a new handshake had to follow."),

	BootnodesAnswered: {"bootnode_contacts_total", "result", "answered", "Contacts of bootnodes, by result."},
	BootnodesFailed:   {"bootnode_contacts_total", "result", "failed", "Contacts of bootnodes, by result."},

	RequestsAnswered:   {"requests_total", "result", "answered", "Requests of this node that ended, by result."},
	RequestsTimedOut:   {"requests_total", "result", "timeout", "Requests of this node that ended, by result."},
	RequestsFailed:     {"requests_total", "result", "failed", "Requests of this node that ended, by result."},
	AuxiliaryReturned:  plain("topic_auxiliary_returned_total", "Records of other registrars in responses to topic requests."),
	AdvertiserAnswered: topicRequest("answered", "advertiser"), AdvertiserFailed: topicRequest("failed", "advertiser"),
	DiscovererAnswered: topicRequest("answered", "discoverer"), DiscovererFailed: topicRequest("failed", "discoverer"),
	AnswersWithheld: plain("answers_withheld_total", "Requests that were answered after their sender had answered a PING, or never."),
	BudgetRate:      refused("rate"), BudgetRepeated: refused("repeated"), BudgetUnfunded: refused("unfunded"), BudgetClaims: refused("claims"),
	RequestsRetried: plain("requests_retried_total", "Requests sent once more after a timeout, to the same address or to that of the other family."),
}

// Latency identifies a measured operation.
type Latency int

// The measured operations.
const (
	// LatencyPing, LatencyFindNode and LatencyTalk: answered requests of this node, from the last
	// packet sent to the response. FINDNODE ends with the last packet of its response.
	LatencyPing Latency = iota
	LatencyFindNode
	LatencyTalk
	// LatencyInitiated: handshakes of this node, from the packet that led to one until the peer has
	// used its keys.
	LatencyInitiated
	// LatencyAccepted: accepted handshakes of others, from the arrival of their packet to the end
	// of the task, with the time in the queue.
	LatencyAccepted

	NumLatencies
)

// Buckets of a Histogram.
//
//	bucket   0            1 to NumBounds-1                       NumBounds
//	holds    up to 15 µs  more than the bound before, up to its  more than 16 s
//
// Bound i is 2^((i-BoundOne)/2) seconds: each is √2 times the one before. These are buckets of a
// native histogram of Prometheus with schema 1.
const (
	NumBounds = 41
	BoundOne  = 32 // the bound of one second
)

// bounds are the upper bounds of the buckets in nanoseconds, read-only.
var bounds = func() (b [NumBounds]time.Duration) {
	for i := range b {
		b[i] = time.Duration(math.Exp2(float64(i-BoundOne)/2) * float64(time.Second))
	}
	return b
}()

// LatencyBound returns the upper bound of bucket i of a Histogram, 0 <= i < NumBounds. The last
// bucket of Counts has none.
func LatencyBound(i int) time.Duration { return bounds[i] }

// Histogram counts durations by bucket.
type Histogram struct {
	Counts [NumBounds + 1]uint64
	Sum    time.Duration
}

// Count returns the number of durations in all buckets.
func (h Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Latencies has a histogram of each Latency.
type Latencies [NumLatencies]Histogram

// histogram holds the counts of one worker. Only that worker adds to it; others read without a
// lock.
type histogram struct {
	counts [NumBounds + 1]atomic.Uint64
	sum    atomic.Uint64 // nanoseconds
}

// observe counts a duration. It does not allocate.
func (h *histogram) observe(d time.Duration) {
	d = max(d, 0)
	low, high := 0, NumBounds
	for low < high {
		if mid := (low + high) / 2; d <= bounds[mid] {
			high = mid
		} else {
			low = mid + 1
		}
	}
	h.counts[low].Add(1)
	h.sum.Add(uint64(d))
}

// Latencies sums the histograms of all workers. Counts may already have a duration that Sum lacks.
func (e *Engine) Latencies() (l Latencies) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.workers {
		for i := range w.latency {
			h := &w.latency[i]
			for k := range h.counts {
				l[i].Counts[k] += h.counts[k].Load()
			}
			l[i].Sum += time.Duration(h.sum.Load())
		}
	}
	return l
}

// timed counts the round trip of an answered request.
func (w *Worker) timed(kind codec.MessageType, rtt time.Duration) {
	switch kind {
	case codec.TypePing:
		w.latency[LatencyPing].observe(rtt)
	case codec.TypeFindNode:
		w.latency[LatencyFindNode].observe(rtt)
	case codec.TypeTalkRequest:
		w.latency[LatencyTalk].observe(rtt)
	}
}

// flushLatency counts the handshakes of the task before this one.
func (w *Worker) flushLatency() {
	for _, came := range w.accepted {
		w.latency[LatencyAccepted].observe(w.now - came)
	}
	w.accepted = w.accepted[:0]
}
