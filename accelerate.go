package discv5

import (
	"fmt"

	"github.com/fastdisc/discv5/fastpath"
)

// accelerate calls Config.Accelerate with the sockets of the node. The Conns of a simulated machine
// and those of the caller have no system below them that could receive for them.
func (n *Node) accelerate() error {
	if n.cfg.Accelerate == nil || n.machine != nil {
		return nil
	}
	for _, g := range n.groups {
		if g.Info().Path == fastpath.PathOther {
			return fmt.Errorf("%w: Accelerate is for sockets of the system, not for Conns", ErrConfig)
		}
	}
	a, err := n.cfg.Accelerate(n.groups)
	if err != nil {
		return errorf("discv5: accelerate: %w", err)
	}
	n.accelerator = a
	return nil
}

// sharedConns returns the Conns of the accelerator.
func (n *Node) sharedConns() []fastpath.SharedConn {
	if n.accelerator == nil {
		return nil
	}
	return n.accelerator.Conns()
}

// newSharedReceiver returns a receiver for a Conn that receives for all listen addresses. It sends
// through that Conn, so that an answer can leave the way that its request came.
func (n *Node) newSharedReceiver(conn fastpath.SharedConn) (*receiver, error) {
	r, err := n.newReceiver(0, conn)
	if err != nil {
		return nil, err
	}
	for i := range r.out.conns {
		r.out.conns[i] = groupConn{conn, i}
	}
	r.via, r.shared = 0, true
	return r, nil
}

// groupConn sends from the address of one group through a SharedConn.
type groupConn struct {
	fastpath.SharedConn
	group int
}

// WriteBatch implements fastpath.Conn.
func (c groupConn) WriteBatch(tx *fastpath.Tx) error { return c.WriteGroupBatch(c.group, tx) }
