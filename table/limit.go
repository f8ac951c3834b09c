package table

import (
	"net/netip"
	"sync"
)

// prefix is the part of an address that the limits count. The first byte tells the families apart;
// the zero prefix is exempt.
//
// IPv4 counts by /24, the smallest block that is routed on its own. IPv6 counts by /48: that is
// what one site is given as a rule. Who holds a site can number every node of a flood in another
// /64 or /56, at no cost, so a longer prefix would be no limit.
type prefix [7]byte

func prefixOf(addr netip.Addr) prefix {
	switch {
	case Class(addr) != Global:
		return prefix{}
	case addr.Is4():
		a := addr.As4()
		return prefix{4, a[0], a[1], a[2]}
	}
	a := addr.As16()
	return prefix{6, a[0], a[1], a[2], a[3], a[4], a[5]}
}

// prefixCounts counts the nodes of the whole table by prefix. Its lock is the last in the order:
// it is taken under a bucket's lock and nothing is called under it. The map has an entry for each
// prefix in use, so it is no larger than the table.
type prefixCounts struct {
	mu    sync.Mutex
	count map[prefix]int
	limit int // negative for none
}

// take counts one more node of p, unless the limit is reached.
func (c *prefixCounts) take(p prefix) bool {
	if p == (prefix{}) || c.limit < 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.count[p]
	if n >= c.limit {
		return false
	}
	c.count[p] = n + 1
	return true
}

// release takes back what take has counted.
func (c *prefixCounts) release(p prefix) {
	if p == (prefix{}) || c.limit < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.count[p]; n > 1 {
		c.count[p] = n - 1
	} else {
		delete(c.count, p)
	}
}
