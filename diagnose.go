package discv5

import (
	"errors"
	"fmt"

	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/table"
)

// Reasons why a node finds nobody, beside ErrNotStarted, ErrNoNodes and the errors of bootnodes.
// The errors in Diagnosis.Reasons wrap them.
var (
	// ErrNothingReceived: packets were sent, and none came back. A firewall drops them, or the
	// network is down.
	ErrNothingReceived = errors.New("discv5: nothing was received")
	// ErrNotSent: the system did not take packets. There is no route, or a firewall denies it.
	ErrNotSent = errors.New("discv5: packets could not be sent")
	// ErrOtherNetwork: datagrams arrive that are of another protocol or network, or for another
	// node; see Config.Protocol.
	ErrOtherNetwork = errors.New("discv5: datagrams of another protocol or network arrive")
	// ErrFiltered: Config.TableFilter refuses the nodes that were found.
	ErrFiltered = errors.New("discv5: the table filter refuses the nodes that were found")
	// ErrLimited: the limits by prefix or the rate limits refuse nodes or packets; see
	// Config.TableLimits, Config.ExemptPrivate and Config.Unlimited.
	ErrLimited = errors.New("discv5: limits refuse the nodes that were found")
	// ErrUnreachable: the nodes that were found name addresses that cannot be used from here, such
	// as private ones at a node in the public network.
	ErrUnreachable = errors.New("discv5: the nodes that were found name no address that can be used from here")
)

// Diagnosis tells why a node knows no node that answers.
type Diagnosis struct {
	Bootnodes   []Bootnode // the result for each; see Node.Bootnodes
	Table, Live int        // members of the table, and live ones
	// Sent and Received count datagrams of the protocol.
	Sent, Received uint64
	// Discovered counts the records in responses, Refused the nodes that the table refused, by
	// outcome.
	Discovered uint64
	Refused    map[table.AddResult]uint64
	// Reasons explain why no node answers, in the order in which to look at them. The list is empty
	// if nodes answer, or if no reason is known, for example because it is too early to tell.
	Reasons []error
}

// Diagnose explains why no node answers. A program that finds no peers can show Diagnosis.Reasons
// to its user. Diagnose takes microseconds, and you may call it at any time. With Config.Logger, a
// node that stays alone logs it.
func (n *Node) Diagnose() Diagnosis {
	c, adds := n.engine.Counters(), n.engine.Table().Counters().Adds
	d := Diagnosis{
		Bootnodes: n.Bootnodes(), Table: n.engine.Table().Len(), Live: n.engine.Table().LiveLen(),
		Sent: c[engine.PacketsOut], Received: c[engine.PacketsIn], Discovered: c[engine.InNodes],
		Refused: make(map[table.AddResult]uint64),
	}
	for i, count := range adds {
		if r := table.AddResult(i); r.Rejected() && count > 0 {
			d.Refused[r] = count
		}
	}
	if d.Live > 0 {
		return d
	}
	d.reason(n.running())
	n.diagnoseBootnodes(&d)
	n.diagnoseSockets(&d, &c)
	if count := d.Refused[table.RejectedFilter]; count > 0 {
		d.reason(fmt.Errorf("%w: %d refused", ErrFiltered, count))
	}
	limited := d.Refused[table.RejectedBucketIP] + d.Refused[table.RejectedTableIP] + d.Refused[table.RejectedFull]
	if limited += c[engine.RateUnverified] + c[engine.RateHandshake] + c[engine.RateVerified]; limited > 0 {
		d.reason(fmt.Errorf("%w: %d refused", ErrLimited, limited))
	}
	if count := d.Refused[table.RejectedAddr] + c[engine.DropNodeRelay]; count > 0 {
		d.reason(fmt.Errorf("%w: %d records", ErrUnreachable, count))
	}
	return d
}

func (d *Diagnosis) reason(err error) {
	if err != nil {
		d.Reasons = append(d.Reasons, err)
	}
}

// diagnoseBootnodes says why no bootnode has answered.
func (n *Node) diagnoseBootnodes(d *Diagnosis) {
	if len(d.Bootnodes) == 0 {
		d.reason(fmt.Errorf("%w: there are no bootnodes", ErrNoNodes))
		return
	}
	for _, b := range d.Bootnodes {
		switch {
		case b.Err == nil:
		case b.Answered+b.Failed == 0: // it cannot be contacted, and Err names it
			d.reason(b.Err)
		default:
			d.reason(fmt.Errorf("bootnode %s at %s, contacted %d times: %w", b.ID.Short(), b.Addr, b.Answered+b.Failed, b.Err))
		}
	}
}

// diagnoseSockets adds the reasons that the sockets' counters show.
func (n *Node) diagnoseSockets(d *Diagnosis, c *Counters) {
	d.reason(n.Err())
	var unsent uint64
	for _, g := range n.groups {
		s := g.Stats()
		unsent += s.SendErrors.Sum()
	}
	if unsent > 0 {
		d.reason(fmt.Errorf("%w: %d", ErrNotSent, unsent))
	}
	if d.Sent > 0 && d.Received == 0 {
		d.reason(fmt.Errorf("%w: %d packets were sent", ErrNothingReceived, d.Sent))
	}
	if count := c[engine.DropProtocol]; count > 0 {
		d.reason(fmt.Errorf("%w: %d", ErrOtherNetwork, count))
	}
	if count := c[engine.DropOutside]; count > 0 {
		d.reason(fmt.Errorf("%w: %d datagrams", ErrRestricted, count))
	}
	if count := c[engine.DropBannedAddr] + c[engine.DropBannedID]; count > 0 {
		d.reason(fmt.Errorf("%w: %d datagrams", ErrBanned, count))
	}
}
