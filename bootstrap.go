package discv5

import (
	"errors"
	"fmt"

	"github.com/fastdisc/discv5/engine"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/limits"
)

// SetBootnodes replaces the bootnodes. They are contacted soon if the table is nearly empty, and
// whenever it becomes so. A bootnode that cannot be contacted is left out, and an
// EventBootnodeUnusable says why. The error wraps ErrConfig and names the bootnodes if one has
// neither record nor address, or if none can be contacted and the record of one has no UDP address.
// On error the old ones stay.
func (n *Node) SetBootnodes(list []Contact) error {
	boot, unusable, err := n.usable(list)
	for _, e := range unusable {
		n.publish(e)
	}
	if err != nil {
		return err
	}
	n.engine.SetBootnodes(boot)
	n.engine.Bootstrap()
	return nil
}

// Why a bootnode cannot be contacted; see EventBootnodeUnusable. Others are ErrNoEndpoint and
// ErrNoRoute.
var (
	ErrBanned     = errors.New("discv5: node is banned")
	ErrRestricted = errors.New("discv5: address is outside of the allowed networks")
)

// namedBootnodes is how many bootnodes an error names.
const namedBootnodes = 3

// usable returns the bootnodes that can be contacted, and an event for each of the others. A
// bootnode that is banned or outside of the allowed networks is in both lists, as such rules
// change.
func (n *Node) usable(list []Contact) (boot []engine.Peer, unusable []Event, err error) {
	var noUDP []error
	for i, b := range list {
		if b.record == nil && !b.peer.Addr.IsValid() {
			return nil, nil, fmt.Errorf("%w: bootnode %d: %w", ErrConfig, i+1, ErrNoAddress)
		}
		p, err := b.resolve(n.engine)
		if err == nil {
			boot = append(boot, p)
			err = n.refused(p)
		} else if r := b.record; r != nil {
			if none := r.CheckUDP(); none != nil {
				err = none
			}
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("bootnode %d, node %s: %w", i+1, b.ID().Short(), err)
		unusable = append(unusable, Event{Kind: EventBootnodeUnusable, ID: b.ID(), Addr: p.Addr, Record: b.Record(), Err: err})
		if errors.Is(err, enr.ErrNoUDP) {
			noUDP = append(noUDP, err)
		}
	}
	if len(boot) > 0 || len(noUDP) == 0 {
		return boot, unusable, nil
	}
	if more := len(noUDP) - namedBootnodes; more > 0 {
		noUDP = append(noUDP[:namedBootnodes:namedBootnodes], fmt.Errorf("and %d more", more))
	}
	return nil, unusable, fmt.Errorf("%w: no bootnode can be contacted: %w", ErrConfig, errors.Join(noUDP...))
}

// refused says why this node does not talk to a peer.
func (n *Node) refused(p engine.Peer) error {
	now := n.clock.Now()
	id := [32]byte(p.ID)
	switch {
	case n.cfg.Access.BlockedID(now, &id):
		return ErrBanned
	case n.cfg.Access.Check(now, p.Addr.Addr()) == limits.Outside:
		return fmt.Errorf("%w: %s", ErrRestricted, p.Addr)
	case n.cfg.Access.Blocked(now, p.Addr.Addr()):
		return fmt.Errorf("%w: %s", ErrBanned, p.Addr)
	}
	return nil
}
