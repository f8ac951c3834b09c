package budget

import (
	"net/netip"
	"sync"
)

// Grant is what a namer has sent in the message that names destinations. It pays for the probes
// that the message leads to. Its methods may be called from several goroutines.
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

// NewGrant returns a grant for a message of namer that took so many packets and bytes.
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

// spend pays for one packet of size bytes that counts under the keys, those of its destination and
// site. It reports false, and pays nothing, if the grant does not suffice.
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
