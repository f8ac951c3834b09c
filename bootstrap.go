package discv5

import (
	"fmt"

	"github.com/fastdisc/discv5/engine"
)

// SetBootnodes replaces the bootnodes. They are contacted soon if the table is nearly empty, and whenever it becomes so. Those
// that have no address of a family that this node has are left out. On error, which is ErrConfig, the old ones stay.
func (n *Node) SetBootnodes(list []Contact) error {
	var boot []engine.Peer
	for i, b := range list {
		if b.record == nil && !b.peer.Addr.IsValid() {
			return fmt.Errorf("%w: bootnode %d: %w", ErrConfig, i+1, ErrNoAddress)
		}
		if p, err := b.resolve(n.engine); err == nil {
			boot = append(boot, p)
		}
	}
	n.engine.SetBootnodes(boot)
	n.engine.Bootstrap()
	return nil
}
