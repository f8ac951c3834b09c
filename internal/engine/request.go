package engine

import (
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/topic"
)

// Request is a request to one peer.
type Request struct {
	Type MessageType
	Peer Peer
	// Distances are those of a FINDNODE, from the peer, each at most 256. Those of a REGTOPIC or
	// TOPICQUERY are from Topic, each 1 to 256, at most codec.MaxTopicDistances.
	Distances []uint
	// Topic is that of a REGTOPIC or TOPICQUERY.
	Topic topic.Topic
	// Ticket is that of a REGTOPIC, empty at first. Record is the sender's own as it was when the
	// registration began; nil stands for the current one.
	Ticket []byte
	Record *enr.Record
	// TicketFirst encodes a REGTOPIC in the order of the reference fork; see codec.RegTopic.
	TicketFirst bool
	// Protocol and Payload are those of a TALKREQ, together at most codec.MaxTalkRequest bytes.
	Protocol, Payload []byte
	// Timeout replaces Config.RequestTimeout if it is not 0. It starts when the packet leaves.
	Timeout time.Duration
	// NoFallback restricts the request to Peer.Addr. Otherwise a request without a response goes to
	// the address of the other family that Peer.Record names, if there is one.
	NoFallback bool
	// Done is called exactly once, from a goroutine that drives a worker. It must not block, and
	// may start further requests with the worker that it is given.
	Done func(*Worker, Result)

	retries *retries     // nil for the first attempt
	handle  *handle      // shared by all attempts
	nonce   *codec.Nonce // of an unanswered packet that asked for a handshake, or nil

	// See package budget.
	origin  budget.Origin
	grant   *budget.Grant
	isRetry bool
}

// MessageType is the type of a request.
type MessageType = codec.MessageType

// Result is the outcome of a request.
type Result struct {
	Err     error
	Pong    codec.Pong    // response to PING
	Records []*enr.Record // response to FINDNODE: verified, at the distances asked for
	Payload []byte        // response to TALKREQ: a copy
	// Ads are the advertisers in the response to a TOPICQUERY: verified, at most topic.MaxSample.
	// Records are auxiliary records then, as in the response to a REGTOPIC: capable nodes at
	// distances from the topic that were asked for, one each.
	Ads []*enr.Record
	// Ticket and Wait are those of REGCONFIRMATION. Without a ticket the ad is placed and lives for
	// Wait. Otherwise the ticket is good after Wait.
	Ticket []byte
	Wait   time.Duration
	RTT    time.Duration // from the answered packet to its response
	// Silence is the time for which the peer has left the last packet unanswered, if Err is
	// ErrTimeout. It is 0 if the request never left this node.
	Silence time.Duration

	grant *budget.Grant // of a FINDNODE: the budget that the response grants
}

// CallID identifies a request for Cancel, across retries.
type CallID struct{ h *handle }

// handle lets Cancel find the current attempt of a request. calls.mu guards it.
type handle struct {
	id       codec.RequestID // of the current attempt
	canceled bool
}
