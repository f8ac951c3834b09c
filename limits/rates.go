package limits

// Rate is a token bucket of datagrams.
type Rate struct {
	// PerSecond is the long-term rate, at most 1e9. 0 or less means no limit.
	PerSecond int
	// Burst is the number of datagrams that may arrive back to back, at most 1<<30. 0 or less means
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
