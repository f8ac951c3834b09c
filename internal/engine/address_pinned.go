package engine

import "github.com/fastdisc/discv5/internal/netaddr"

// AddressPinned reports whether PinAddress keeps the endpoint of a family as it is.
func (e *Engine) AddressPinned(f netaddr.Family) bool { return e.address.pinned[f].Load() }
