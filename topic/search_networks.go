package topic

import (
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// networkMates holds the results of a lookup that share a network with another one, an IPv4 /24 or
// an IPv6 /64. They count only when the walk has ended: addresses are what an attacker with many
// identities has few of. The zero value holds nothing.
type networkMates struct {
	networks map[netaddr.Prefix]enr.ID // of the results
	held     []Node
	ids      map[enr.ID]struct{} // of those held
}

// networkOfResult returns the network of a result, the zero Prefix for one that is in none: at a
// private address, or without any.
func networkOfResult(n Node) netaddr.Prefix {
	addr := n.Addr.Addr()
	if !addr.IsValid() { // it cannot be contacted from here
		var ok bool
		if addr, ok = n.Record.IP4(); !ok {
			addr, _ = n.Record.IP6()
		}
	}
	if !addr.IsValid() {
		return netaddr.Prefix{}
	}
	return networkOf(addr)
}

// note notes the network of a result.
func (c *networkMates) note(n Node) {
	network := networkOfResult(n)
	if _, ok := c.networks[network]; ok || network.IsZero() {
		return
	}
	if c.networks == nil {
		c.networks = make(map[netaddr.Prefix]enr.ID)
	}
	c.networks[network] = n.Record.ID()
}

// hold holds a node whose network another result has, and reports whether it is one. It holds most
// nodes at most.
func (c *networkMates) hold(n Node, most int) bool {
	id := n.Record.ID()
	owner, ok := c.networks[networkOfResult(n)]
	if !ok || owner == id {
		return false
	}
	if _, ok := c.ids[id]; !ok && len(c.held) < most {
		if c.ids == nil {
			c.ids = make(map[enr.ID]struct{})
		}
		c.ids[id] = struct{}{}
		c.held = append(c.held, n)
	}
	return true
}

// take returns the nodes that are held, and lets them go.
func (c *networkMates) take() []Node {
	list := c.held
	c.held, c.ids = nil, nil
	return list
}
