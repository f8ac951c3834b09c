package budget

import (
	"net/netip"
	"sync"
)

// Grant is the size of a namer's message that names destinations. It pays for the probes that the
// message leads to. It is safe for concurrent use.
type Grant struct {
	namer netip.AddrPort

	mu      sync.Mutex
	packets int
	bytes   int
	spent   []spent
}

// spent counts the packets to one destination or site.
type spent struct {
	key uint64
	n   int
}

// NewGrant returns a Grant for a message of namer with the given numbers of packets and bytes.
func NewGrant(namer netip.AddrPort, packets, bytes int) *Grant {
	return &Grant{namer: namer, packets: packets, bytes: bytes}
}

// find returns the index of key in spent, or -1.
func (g *Grant) find(key uint64) int {
	for i := range g.spent {
		if g.spent[i].key == key {
			return i
		}
	}
	return -1
}

// spend pays for one packet of size bytes that counts under the keys of its destination and site.
// If the grant is used up, it returns false and pays nothing.
func (g *Grant) spend(size int, keys ...uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bytes < size {
		return false
	}
	for _, k := range keys {
		n := 0
		if i := g.find(k); i >= 0 {
			n = g.spent[i].n
		}
		if n >= g.packets {
			return false
		}
	}
	for _, k := range keys {
		if i := g.find(k); i >= 0 {
			g.spent[i].n++
		} else {
			g.spent = append(g.spent, spent{k, 1})
		}
	}
	g.bytes -= size
	return true
}
