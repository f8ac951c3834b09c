package geth

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/ethereum/go-ethereum/common/lru"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/fastdisc/discv5"
	own "github.com/fastdisc/discv5/enr"
)

// ErrNode is wrapped by errors about nodes that cannot be contacted because they have neither a
// "v4" record nor a public key with a UDP endpoint.
var ErrNode = errors.New("geth: node without usable record or endpoint")

// cached is how many conversions are remembered each way: all nodes of a full table and as many
// again.
const cached = 8192

// converter converts records between the two libraries. It remembers conversions, because one costs
// a point decompression or a signature check. The zero value must be initialized.
type converter struct {
	nodes   *lru.Cache[*own.Record, *enode.Node]
	records *lru.Cache[*enode.Node, *own.Record]
}

func (c *converter) init() {
	c.nodes = lru.NewCache[*own.Record, *enode.Node](cached)
	c.records = lru.NewCache[*enode.Node, *own.Record](cached)
}

// verified is the "v4" scheme for records whose signature discv5 has checked.
type verified struct{ enode.V4ID }

// Verify implements enr.IdentityScheme.
func (verified) Verify(*enr.Record, []byte) error { return nil }

// node converts a record that this module has verified. It returns nil for nil, and for a record
// that go-ethereum cannot represent.
func (c *converter) node(r *own.Record) *enode.Node {
	if r == nil {
		return nil
	}
	if n, ok := c.nodes.Get(r); ok {
		return n
	}
	var gr enr.Record
	if err := rlp.DecodeBytes(r.Bytes(), &gr); err != nil {
		return nil
	}
	n, err := enode.New(verified{}, &gr)
	if err != nil {
		return nil
	}
	c.nodes.Add(r, n)
	c.records.Add(n, r)
	return n
}

// record converts and verifies the record of n. The error wraps ErrNode.
func (c *converter) record(n *enode.Node) (*own.Record, error) {
	if n == nil {
		return nil, fmt.Errorf("%w: nil", ErrNode)
	}
	if r, ok := c.records.Get(n); ok {
		return r, nil
	}
	b, err := rlp.EncodeToBytes(n.Record())
	if err != nil {
		return nil, fmt.Errorf("%w: encode record of %s: %w", ErrNode, n.ID().TerminalString(), err)
	}
	r, err := own.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%w: record of %s: %w", ErrNode, n.ID().TerminalString(), err)
	}
	c.records.Add(n, r)
	return r, nil
}

// contact makes a contact of n: by its record, or of a node that was made from an enode URL, by
// key and endpoint. The error wraps ErrNode.
func (c *converter) contact(n *enode.Node) (discv5.Contact, error) {
	r, err := c.record(n)
	if err == nil {
		return discv5.ContactOf(r), nil
	}
	if n == nil || n.Pubkey() == nil {
		return discv5.Contact{}, err
	}
	addr, ok := n.UDPEndpoint()
	if !ok {
		return discv5.Contact{}, fmt.Errorf("%w: %s has no UDP endpoint", ErrNode, n.ID().TerminalString())
	}
	e, perr := own.ParseEnode(n.URLv4())
	if perr != nil {
		return discv5.Contact{}, fmt.Errorf("%w: %s: %w", ErrNode, n.ID().TerminalString(), perr)
	}
	contact, perr := discv5.EnodeContact(e, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
	if perr != nil {
		return discv5.Contact{}, fmt.Errorf("%w: %s: %w", ErrNode, n.ID().TerminalString(), perr)
	}
	return contact, nil
}

// list converts records, and leaves out those that go-ethereum cannot represent.
func (c *converter) list(records []*own.Record) []*enode.Node {
	nodes := make([]*enode.Node, 0, len(records))
	for _, r := range records {
		if n := c.node(r); n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}
