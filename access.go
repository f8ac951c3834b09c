package discv5

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/limits"
)

// ErrBlocked: the request is to a node that is banned or outside of the allowed networks.
var ErrBlocked = engine.ErrBlocked

// DefaultUnverifiedRates limits the datagrams of a source that belong to no session.
func DefaultUnverifiedRates() limits.Rates { return limiter.Unverified() }

// DefaultRequestRates limits the requests of a source inside of sessions.
func DefaultRequestRates() limits.Rates { return limiter.Verified() }

// DefaultHandshakeRates limits handshakes that answer a live challenge. An honest peer makes a few
// an hour, but many may live behind one address.
func DefaultHandshakeRates() limits.Rates {
	return limits.Rates{
		Address:  limits.Rate{PerSecond: 50, Burst: 100},
		Prefix64: limits.Rate{PerSecond: 100, Burst: 200},
		Prefix56: limits.Rate{PerSecond: 150, Burst: 300},
		Network:  limits.Rate{PerSecond: 250, Burst: 500},
	}
}

// DefaultTalkRates limits TALK requests of protocols that have a handler. Such a protocol may carry
// a stream: 20,000 requests of 1,100 bytes a second are 22 MB/s.
func DefaultTalkRates() limits.Rates {
	return limits.Rates{
		Address:  limits.Rate{PerSecond: 20000, Burst: 20000},
		Prefix64: limits.Rate{PerSecond: 20000, Burst: 20000},
		Prefix56: limits.Rate{PerSecond: 30000, Burst: 30000},
		Network:  limits.Rate{PerSecond: 40000, Burst: 40000},
	}
}

// talkSets is the number of sets of the limiter of TALK requests: 640 sources at a time. Each
// source has a session, so nobody can fill the sets with false addresses.
const talkSets = 64

// limit sets the limiters of the engine, 3 MiB together, and its ban lists.
func (n *Node) limit(cfg *engine.Config) error {
	cfg.Access = n.cfg.Access
	if n.cfg.Unlimited {
		return nil
	}
	var seeds [32]byte
	if _, err := io.ReadFull(n.random(), seeds[:]); err != nil {
		return errorf("discv5: seed: %w", err)
	}
	make := func(i int, r limits.Rates) *limiter.Limiter {
		return limiter.New(limiter.Config{Rates: r, Seed: binary.LittleEndian.Uint64(seeds[8*i:])})
	}
	cfg.Unverified = make(0, n.cfg.UnverifiedRates)
	cfg.Handshake = make(1, n.cfg.HandshakeRates)
	cfg.Verified = make(2, n.cfg.RequestRates)
	cfg.TalkLimit = limiter.New(limiter.Config{Rates: n.cfg.TalkRates, Sets: talkSets, Seed: binary.LittleEndian.Uint64(seeds[24:])})
	return nil
}

// until is the time at which a term that starts now ends. 0 means forever; a negative term, such as
// the time until a moment in the past, must not.
func (n *Node) until(term time.Duration) (time.Duration, error) {
	switch {
	case term < 0:
		return 0, fmt.Errorf("%w: %s", limits.ErrDuration, term)
	case term == 0:
		return limits.Forever, nil
	}
	return n.clock.Now() + term, nil
}

// Ban drops all datagrams from a node ID, an address or a range of addresses for a time, or forever
// if term is 0. The nodes leave the table, their sessions end, and no request goes to them: after
// the ban they need a new handshake. See limits.ParseTarget for targets as text. The error wraps
// limits.ErrTarget if there is no such target, limits.ErrDuration if term is negative, and
// limits.ErrFull if the list is full.
func (n *Node) Ban(t limits.Target, term time.Duration) error {
	until, err := n.until(term)
	if err == nil {
		err = n.cfg.Access.Ban(t, until)
	}
	if err != nil {
		return errorf("discv5: ban %s: %w", t, err)
	}
	n.engine.Expel(n.clock.Now())
	n.publish(Event{Kind: EventBanned, Target: t, Until: n.wallEnd(term)})
	return nil
}

// wallEnd is the time of day at which a term that starts now ends, or the zero time if it does
// not end.
func (n *Node) wallEnd(term time.Duration) time.Time {
	if term <= 0 {
		return time.Time{}
	}
	return n.timeNow().Add(term)
}

// ApplyTableFilter applies Config.TableFilter to all nodes of the table, removes those that it
// refuses, and returns their number. Call it when the decisions of the filter change, for example
// after a fork. You need not call it when the record of a node changes: the node applies the filter
// then.
func (n *Node) ApplyTableFilter() int { return n.engine.ApplyFilter(n.clock.Now()) }

// Permit exempts a target from bans and rate limits for a time, or forever if term is 0. A permit
// wins over a ban of the same kind. Errors are those of Ban.
func (n *Node) Permit(t limits.Target, term time.Duration) error {
	until, err := n.until(term)
	if err == nil {
		err = n.cfg.Access.Permit(t, until)
	}
	if err != nil {
		return errorf("discv5: permit %s: %w", t, err)
	}
	n.publish(Event{Kind: EventPermitted, Target: t, Until: n.wallEnd(term)})
	return nil
}

// Unban ends the ban of exactly this target. It reports whether there was one.
func (n *Node) Unban(t limits.Target) bool { return n.lift(limits.Ban, t) }

// Unpermit ends the permit of exactly this target. It reports whether there was one.
func (n *Node) Unpermit(t limits.Target) bool { return n.lift(limits.Permit, t) }

func (n *Node) lift(a limits.Action, t limits.Target) bool {
	was := n.cfg.Access.Remove(a, t)
	if was {
		n.publish(Event{Kind: EventLifted, Target: t})
	}
	return was
}

// Restrict makes the node talk only to the given networks. An empty list lifts the restriction.
func (n *Node) Restrict(networks ...netip.Prefix) error {
	if err := n.cfg.Access.Restrict(networks); err != nil {
		return errorf("discv5: restrict networks: %w", err)
	}
	n.engine.Expel(n.clock.Now())
	return nil
}

// Bans lists all bans and permits, with the time of day at which each term ends.
func (n *Node) Bans() []limits.Entry { return n.cfg.Access.List(n.clock.Now(), n.timeNow()) }

// LimitedSource is an address or network that sends as much as a rate limit allows, or more. Its
// address may be forged.
type LimitedSource = engine.LimitedSource

// LimitedSources returns up to most sources that are at one of the rate limits now, in no order. An
// address at its limit and its network at its own are two sources. The call takes about a
// millisecond and does not slow the node.
func (n *Node) LimitedSources(most int) []LimitedSource {
	return n.engine.LimitedSources(n.clock.Now(), most, nil)
}
