package session

import (
	"sync"

	"github.com/fastdisc/discv5/internal/prefixquota"
)

// held counts the sessions of all shards by prefix. It is locked under a shard's lock when a
// session begins or ends. Lookups do not use it.
type held struct {
	mu    sync.Mutex
	quota prefixquota.Quota
}

// Fractions of the map above which a prefix has many sessions: of an address, of a /24 or /48, and
// of a /16 or /32.
const (
	manyOfSite = 1024
	manyOfWide = 2
)

func (c *held) init(slots int) {
	site := max(2, slots/manyOfSite)
	c.quota.Init(prefixquota.Config{
		Limits: prefixquota.Limits{Host: site, Site: site, Wide: max(2, slots/manyOfWide)},
		Strict: true, // networks share one map
	})
}

func (c *held) add(k *Key) {
	c.mu.Lock()
	c.quota.Add(k.AddrPort().Addr())
	c.mu.Unlock()
}

func (c *held) release(k *Key) {
	c.mu.Lock()
	c.quota.Release(k.AddrPort().Addr())
	c.mu.Unlock()
}

// bar returns the load above which a session in use may be evicted for a new one of k. Callers hold
// the lock.
func (c *held) bar(k *Key) prefixquota.Load {
	return max(c.quota.Load(k.AddrPort().Addr(), 1), prefixquota.LoadUnit)
}
