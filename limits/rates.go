package limits

// Rate is a token bucket: Burst datagrams at once, PerSecond in the long run.
type Rate struct {
	// PerSecond is at most a thousand million. 0 or less means no limit.
	PerSecond int
	// Burst is how many datagrams may come at once, at most 1<<30. 0 or less stands for PerSecond.
	Burst int
}

// Rates are the limits of all levels. Each level that is narrower should allow less than the next
// wider one: else one of its sources alone can use up what the wider one has for all.
type Rates struct {
	// Address is for a single address, IPv4 or IPv6. Several customers of a hosting company may
	// share a /64, so that single IPv6 addresses count too.
	Address Rate
	// Prefix64 is for an IPv6 /64: what a host or a home can number as it likes.
	Prefix64 Rate
	// Prefix56 is for an IPv6 /56: what a subscriber often gets.
	Prefix56 Rate
	// Network is for an IPv4 /24 or an IPv6 /48: the smallest blocks that are routed on their own,
	// and what one site gets as a rule.
	Network Rate
}

// Unverified are the default limits for datagrams that did not open.
//
// A session needs two of them, a message and a handshake, and lasts for hours; a client that starts
// contacts a bootnode a few times. 100 a second are 50 new sessions a second of one address, and
// the burst of 200 takes in 100 nodes behind one translated address that come back at once when
// this node has lost its sessions. A network gets five times as much: a burst for all hosts of a
// /24. What a network can make this node send is 500 WHOAREYOU, 32 kB a second, and never more than
// came in.
func Unverified() Rates {
	return Rates{
		Address:  Rate{100, 200},
		Prefix64: Rate{200, 400},
		Prefix56: Rate{300, 600},
		Network:  Rate{500, 1000},
	}
}

// Verified are the default limits for requests inside sessions.
//
// A lookup asks one node a few times. A crawler that wants all 256 distances of a node sends 86
// FINDNODE in a row, so a burst of 1000 is ten crawlers behind one address. The answer to FINDNODE
// is up to 5 kB: an address is sent 2.5 MB a second at the most, a network 10 MB.
func Verified() Rates {
	return Rates{
		Address:  Rate{500, 1000},
		Prefix64: Rate{1000, 2000},
		Prefix56: Rate{1500, 3000},
		Network:  Rate{2000, 4000},
	}
}

// bucket is a Rate in nanoseconds, as GCRA counts.
type bucket struct {
	interval int64 // between two datagrams at the allowed rate; at least 1
	depth    int64 // Burst intervals
}

func (r Rate) bucket() bucket {
	const second = 1e9
	if r.Burst <= 0 {
		r.Burst = r.PerSecond
	}
	interval := int64(second / min(r.PerSecond, second))
	return bucket{interval, interval * int64(min(r.Burst, 1<<30))}
}

// next is TAT after one more datagram, and whether that one is allowed.
func (b *bucket) next(tat, now int64) (int64, bool) {
	tat = max(tat, now) + b.interval
	return tat, tat-now <= b.depth
}
