package limiter

import (
	"time"

	"github.com/fastdisc/discv5/limits"
)

// Unverified returns the default limits for packets that do not decrypt.
//
// A session starts with two of them, a message and a handshake, and lasts for hours. A client
// contacts a bootnode a few times when it starts. 100 datagrams a second allow 50 new sessions a
// second from one address; the burst of 200 lets 100 nodes behind one NAT address return together
// after this node has lost its sessions. A network gets five times as much, a burst for all hosts
// of a /24. It can make this node send 500 WHOAREYOU packets (32 kB) a second, and never more than
// it has sent itself.
func Unverified() limits.Rates {
	return limits.Rates{
		Address:  limits.Rate{PerSecond: 100, Burst: 200},
		Prefix64: limits.Rate{PerSecond: 200, Burst: 400},
		Prefix56: limits.Rate{PerSecond: 300, Burst: 600},
		Network:  limits.Rate{PerSecond: 500, Burst: 1000},
	}
}

// Verified returns the default limits for requests inside sessions.
//
// A lookup asks one node a few times. A crawler that wants all 256 distances of a node sends 86
// FINDNODE requests in a row, so a burst of 1000 serves ten crawlers behind one address. The answer
// to FINDNODE has up to 5 kB, so an address receives at most 2.5 MB a second and a network 10 MB.
func Verified() limits.Rates {
	return limits.Rates{
		Address:  limits.Rate{PerSecond: 500, Burst: 1000},
		Prefix64: limits.Rate{PerSecond: 1000, Burst: 2000},
		Prefix56: limits.Rate{PerSecond: 1500, Burst: 3000},
		Network:  limits.Rate{PerSecond: 2000, Burst: 4000},
	}
}

// bucket is a Rate in the form that GCRA uses, in nanoseconds.
type bucket struct {
	interval int64 // between two datagrams at the allowed rate; at least 1
	depth    int64 // Burst intervals
}

func newBucket(r limits.Rate) bucket {
	if r.Burst <= 0 {
		r.Burst = r.PerSecond
	}
	interval := int64(time.Second) / int64(min(r.PerSecond, limits.MaxPerSecond))
	return bucket{interval, interval * int64(min(r.Burst, limits.MaxBurst))}
}

// next returns the TAT after one more datagram, and whether that datagram is allowed.
func (b *bucket) next(tat, now int64) (int64, bool) {
	tat = max(tat, now) + b.interval
	return tat, tat-now <= b.depth
}
