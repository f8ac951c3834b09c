package crawlqueue

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fastdisc/discv5/enr"
)

// Node is a node to visit: a record, or an enode URL if Record is nil.
type Node struct {
	Record *enr.Record
	Enode  enr.Enode
}

// ParseNode parses the text of a record or of an enode URL with an address. It verifies signatures.
func ParseNode(text string) (n Node, id enr.ID, err error) {
	if strings.HasPrefix(text, "enode://") {
		if n.Enode, err = enr.ParseEnode(text); err != nil {
			return n, id, err
		}
		if !n.Enode.Addr.IsValid() || n.Enode.UDP == 0 {
			return n, id, errors.New("enode URL has no address or no UDP port")
		}
		id, err = n.Enode.ID()
		return n, id, err
	}
	if n.Record, err = enr.ParseText(text); err != nil {
		return n, id, err
	}
	return n, n.Record.ID(), nil
}

// parseNodeOf is ParseNode for the node of a given ID.
func parseNodeOf(id enr.ID, text string) (Node, error) {
	n, owner, err := ParseNode(text)
	if err != nil {
		return n, err
	}
	if owner != id {
		return n, fmt.Errorf("this is node %s", owner)
	}
	return n, nil
}

// newerThan reports whether n has a record that is newer than what old has.
func (n Node) newerThan(old Node) bool {
	return n.Record != nil && (old.Record == nil || n.Record.Seq() > old.Record.Seq())
}
