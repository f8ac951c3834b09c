package limits

// Bounds of a Rate.
const (
	MaxPerSecond = 1_000_000_000
	MaxBurst     = 1 << 30
)

// Rate is a token bucket of datagrams.
type Rate struct {
	// PerSecond is the long-term rate, at most MaxPerSecond. 0 means no limit.
	PerSecond int
	// Burst is the number of datagrams that may arrive back to back, at most MaxBurst. 0 means
	// PerSecond.
	Burst int
}

// Rates are the limits of all levels. Each level should allow less than the next wider one.
// Otherwise one source of the narrower level can use up the allowance of the wider one.
type Rates struct {
	// Address limits one IPv4 or IPv6 address. It matters for IPv6 too, because several customers
	// of a hosting company may share a /64.
	Address Rate
	// Prefix64 limits an IPv6 /64, in which one host or home chooses addresses freely.
	Prefix64 Rate
	// Prefix56 limits an IPv6 /56, which many providers assign to a subscriber.
	Prefix56 Rate
	// Network limits an IPv4 /24 or an IPv6 /48: the smallest blocks that are routed on their own,
	// usually one site.
	Network Rate
}
