package crawlqueue

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// State is the state of a node that a worker has claimed.
type State string

// States.
const (
	Visiting State = "visiting"
	Answered State = "answered"
	Failed   State = "failed" // has not answered
	// was not asked, or has not answered for a reason that is not its own
	Skipped State = "skipped"
)

// Entry is the claim of a node, and later the result of its visit.
type Entry struct {
	State State `json:"state"`
	// By names the worker.
	By string `json:"by"`
	// Node is a record or an enode URL: the answer if the node has answered, otherwise where the
	// worker has asked it.
	Node string `json:"node"`
	// At is the time of the answer, or of the failure.
	At time.Time `json:"at,omitzero"`
	// RTT is the round trip time in milliseconds, 0 if it is not known.
	RTT float64 `json:"rtt,omitempty"`
	// Proven says that other nodes answered the worker shortly before and after the failure.
	Proven bool `json:"proven,omitempty"`
	// Task and Delivery identify the delivery of the task that the claim is for.
	Task     uint64 `json:"task"`
	Delivery uint64 `json:"delivery"`
}

// maxRTT bounds Entry.RTT: nothing waits longer for an answer.
const maxRTT = 60_000

// parseEntry parses and verifies an entry of node id.
func parseEntry(id enr.ID, value []byte, now time.Time) (e Entry, n Node, err error) {
	if err = json.Unmarshal(value, &e); err != nil {
		return e, n, err
	}
	if len(e.By) > maxWorker {
		return e, n, fmt.Errorf("the name of the worker has %d bytes", len(e.By))
	}
	if e.State == Visiting {
		return e, n, nil
	}
	if n, err = parseNodeOf(id, e.Node); err != nil {
		return e, n, err
	}
	switch {
	case e.State != Answered && e.State != Failed && e.State != Skipped:
		err = fmt.Errorf("unknown state %.20q", string(e.State))
	case e.State == Answered && n.Record == nil:
		err = fmt.Errorf("an answer without a record")
	case e.RTT < 0 || e.RTT > maxRTT:
		err = fmt.Errorf("a round trip of %v ms", e.RTT)
	case e.At.IsZero() || e.At.After(now.Add(maxSkew)):
		err = fmt.Errorf("the time %v", e.At)
	}
	return e, n, err
}

// maxSkew is how far the clock of a worker may be ahead.
const maxSkew = time.Hour
