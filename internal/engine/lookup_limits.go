package engine

import (
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/table"
)

// lookupWide is how many of the candidates of a lookup may lie in one /16 or /32, a quarter of its
// results, where lookupNetworks of those are known: so many can fill the results among them. A
// network with fewer is one of a few providers, and has no diversity that a limit could protect.
const (
	lookupWide     = lookup.DefaultK / lookupNetworks
	lookupNetworks = 4
)

// lookupLimits returns the limits by prefix for the candidates of a lookup that begins with seeds.
// Those for hosts and sites are the limits of a bucket.
func (e *Engine) lookupLimits(seeds []Peer) prefixquota.Limits {
	limits := e.cfg.Table.BucketLimits.WithDefaults(table.DefaultBucketLimits)
	if limits.Wide < 0 {
		return limits
	}
	known := make(map[netaddr.Prefix]struct{}, lookupNetworks)
	for i := range seeds {
		if known[netaddr.Wide(seeds[i].Addr.Addr())] = struct{}{}; len(known) >= lookupNetworks {
			limits.Wide = min(limits.Wide, lookupWide)
			return limits
		}
	}
	limits.Wide = -1
	return limits
}
