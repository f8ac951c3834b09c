package discv5

import "github.com/fastdisc/discv5/internal/engine"

// LimitedSource is an address or network that sends as much as a rate limit
// allows, or more. Its address may be forged.
type LimitedSource = engine.LimitedSource

// LimitedSources returns up to most sources that are at one of the rate limits now, in no order. An
// address at its limit and its network at its own are two sources. The call takes
// about a millisecond and does not slow the node.
func (n *Node) LimitedSources(most int) []LimitedSource {
	return n.engine.LimitedSources(n.clock.Now(), most, nil)
}
