package engine

import (
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/internal/limiter"
)

// LimitedSource is a source that sends as much as a rate limit allows, or more.
type LimitedSource struct {
	Prefix netip.Prefix // an address, an IPv6 /64 or /56, or a network: an IPv4 /24 or IPv6 /48
	// Cause counts the datagrams that the limit refuses: RateUnverified, RateHandshake,
	// RateVerified, or RateTalk.
	Cause Counter
}

// LimitedSources appends the sources that are at a limit now to dst, until it has the length most.
// It reads the tables of the limiters, up to 4 MiB, and holds nobody up.
func (e *Engine) LimitedSources(now time.Duration, most int, dst []LimitedSource) []LimitedSource {
	for _, limit := range []struct {
		by    *limiter.Limiter
		cause Counter
	}{{e.cfg.Unverified, RateUnverified}, {e.cfg.Handshake, RateHandshake}, {e.cfg.Verified, RateVerified}, {e.cfg.TalkLimit, RateTalk}} {
		for p := range limit.by.Limited(now) {
			if len(dst) >= most {
				return dst
			}
			dst = append(dst, LimitedSource{p, limit.cause})
		}
	}
	return dst
}
