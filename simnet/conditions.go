package simnet

import "time"

// Conditions say what happens to datagrams. The zero value stands for geographic delays and nothing
// else.
type Conditions struct {
	// Delay is the time that a datagram takes at least; default World.
	Delay func(from, to Place) time.Duration
	// Jitter is the most that chance adds to it, evenly spread. Datagrams that follow each other
	// more closely overtake.
	Jitter time.Duration
	// Loss is the probability that a datagram does not arrive, 0..1.
	Loss float64
	// Duplicate is the probability that a datagram arrives twice. The copy has jitter and loss of
	// its own.
	Duplicate float64
	// Reorder is the probability that a datagram is held up for as long again as it takes anyway,
	// so that others overtake it.
	Reorder float64
}

func (c Conditions) withDefaults() Conditions {
	if c.Delay == nil {
		c.Delay = World
	}
	return c
}

// SetConditions replaces the conditions for datagrams that are sent from now on. The error is a
// *RangeError; the conditions stay as they were then.
func (n *Network) SetConditions(c Conditions) error {
	if err := c.check(); err != nil {
		return err
	}
	n.setConditions(c)
	return nil
}

func (n *Network) setConditions(c Conditions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cond = c.withDefaults()
}

func (n *Network) conditions() Conditions {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cond
}

// SetFilter has f asked about each datagram that is sent from now on; those for which it reports
// false are dropped. nil lets all pass. f must not let time pass.
func (n *Network) SetFilter(f func(Datagram) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = f
}

// Partition splits the network: the nodes of a list reach only each other. Nodes of no list and all
// sockets stay together, and so do nodes that are added later. Datagrams that are under way between
// two sides are lost. A second call replaces the first.
func (n *Network) Partition(sides ...[]*Node) {
	n.Heal()
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, list := range sides {
		for _, nd := range list {
			for _, p := range nd.ports() {
				p.side = i + 1
			}
		}
	}
	n.split = true
}

// Heal ends a partition.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, nd := range n.nodes {
		for _, p := range nd.ports() {
			p.side = 0
		}
	}
	n.split = false
}

// chance reports true with probability p. It does not draw a number when nothing depends on it.
func (n *Network) chance(p float64) bool { return p > 0 && n.rng.Float64() < p }

// delay is how long a datagram takes from one place to another this time.
func (n *Network) delay(from, to Place) time.Duration {
	d := max(n.cond.Delay(from, to), 0)
	if n.chance(n.cond.Reorder) {
		d *= 2
	}
	if n.cond.Jitter > 0 {
		d += time.Duration(n.rng.Int64N(int64(n.cond.Jitter) + 1))
	}
	return d
}
