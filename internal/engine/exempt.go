package engine

import (
	"errors"
	"fmt"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// ExemptPrivate says when peers at private addresses are exempt from the limits by prefix of the
// node table, and from the rate limits. Loopback always is. The quotas of the handshake queue have
// no exemption: they apply only when half of it is in use.
//
// All nodes of a private network may share one prefix, and such a network has nobody to protect
// from. At a node that the public network can reach, a private source address is forged, or it is
// a neighbor whose word is worth no more than a stranger's.
type ExemptPrivate uint8

// Values of ExemptPrivate.
const (
	// ExemptAuto exempts them while the node itself is private: its record names no global address,
	// and it listens on none. A node that learns a global address ends the exemption.
	ExemptAuto ExemptPrivate = iota
	// ExemptAlways exempts them.
	ExemptAlways
	// ExemptNever does not.
	ExemptNever
)

// ErrExemptPrivate reports text that is no ExemptPrivate.
var ErrExemptPrivate = errors.New("exemption of private networks: want auto, always or never")

// String returns "auto", "always" or "never".
func (x ExemptPrivate) String() string {
	return [...]string{"auto", "always", "never", "unknown"}[min(x, 3)]
}

// UnmarshalText reads what String returns. Errors wrap ErrExemptPrivate.
func (x *ExemptPrivate) UnmarshalText(text []byte) error {
	for v := ExemptAuto; v <= ExemptNever; v++ {
		if string(text) == v.String() {
			*x = v
			return nil
		}
	}
	return fmt.Errorf("%w, not %.20q", ErrExemptPrivate, text)
}

// SetPublic says whether this node can be reached at a global address whatever its record names,
// for example because it listens there. See ExemptAuto and Config.Public.
func (e *Engine) SetPublic(public bool) {
	e.public.Store(public)
	e.updateExempt()
}

// Private reports whether private networks are exempt from limits; see ExemptPrivate.
func (e *Engine) Private() bool {
	switch e.cfg.ExemptPrivate {
	case ExemptAlways:
		return true
	case ExemptNever:
		return false
	}
	return !e.public.Load() && !namesGlobal(e.Record())
}

func namesGlobal(r *enr.Record) bool {
	a, has4 := r.UDPEndpoint4()
	b, has6 := r.UDPEndpoint6()
	return has4 && netaddr.ClassOf(a.Addr()) == netaddr.Global || has6 && netaddr.ClassOf(b.Addr()) == netaddr.Global
}

// setLocal publishes a local record.
func (e *Engine) setLocal(r *enr.Record) {
	e.local.Store(r)
	e.updateExempt()
}

// updateExempt tells all who limit whether private networks are exempt.
func (e *Engine) updateExempt() {
	private := e.Private()
	e.table.SetExemptPrivate(private)
	exempt := limiter.ExemptLoopback
	if private {
		exempt = limiter.ExemptLocal
	}
	for _, l := range []*limiter.Limiter{e.cfg.Unverified, e.cfg.Handshake, e.cfg.Verified, e.cfg.TalkLimit} {
		l.SetExempt(exempt)
	}
}
