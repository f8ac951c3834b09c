package limits

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fastdisc/discv5/internal/quote"
)

// IDSize is the size of a node ID in bytes.
const IDSize = 32

// Forever is the end of a ban or permit that does not expire.
const Forever time.Duration = math.MaxInt64

// Errors of targets and rules.
var (
	ErrTarget   = errors.New("limits: not an address, address range or node ID")
	ErrDuration = errors.New("limits: not a positive duration")
	ErrAction   = errors.New("limits: not ban or permit")
)

// Target is a node ID or an address range; a single address is a range of one. Targets are
// comparable. The zero Target is not valid.
type Target struct {
	prefix netip.Prefix
	id     [IDSize]byte
	node   bool
}

// NodeTarget returns the target of one node ID.
func NodeTarget(id [IDSize]byte) Target { return Target{id: id, node: true} }

// AddrTarget returns the target of one address. It ignores a zone and treats an IPv4-mapped address
// as the IPv4 address.
func AddrTarget(addr netip.Addr) Target {
	addr = addr.Unmap()
	return PrefixTarget(netip.PrefixFrom(addr, addr.BitLen()))
}

// PrefixTarget returns the target of an address range. It clears the bits beyond the prefix. A
// range of IPv4-mapped addresses becomes the range of the IPv4 addresses. A wider IPv6 range, such
// as ::/0, contains no IPv4 address.
func PrefixTarget(p netip.Prefix) Target {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return Target{prefix: p.Masked()}
}

// ParseTarget parses an address, a range in CIDR notation, or a node ID of 64 hexadecimal digits
// with or without "0x". The error is ErrTarget.
func ParseTarget(s string) (Target, error) {
	switch {
	case strings.Contains(s, "/"):
		if p, err := netip.ParsePrefix(s); err == nil {
			return PrefixTarget(p), nil
		}
	case strings.ContainsAny(s, ".:"):
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			return AddrTarget(a), nil
		}
	default:
		digits := s
		if len(s) == 2+2*IDSize && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
			digits = s[2:]
		}
		if len(digits) == 2*IDSize {
			t := Target{node: true}
			if _, err := hex.Decode(t.id[:], []byte(digits)); err == nil {
				return t, nil
			}
		}
	}
	return Target{}, ErrTarget
}

// Valid reports whether t is a node ID or a range.
func (t Target) Valid() bool { return t.node || t.prefix.IsValid() }

// Node returns the node ID if t is one.
func (t Target) Node() (id [IDSize]byte, ok bool) { return t.id, t.node }

// Prefix returns the range if t is one.
func (t Target) Prefix() (p netip.Prefix, ok bool) { return t.prefix, t.prefix.IsValid() }

// String returns the form that ParseTarget reads: 64 lower-case digits, an address or a range.
func (t Target) String() string {
	switch {
	case t.node:
		return hex.EncodeToString(t.id[:])
	case t.prefix.IsValid() && t.prefix.IsSingleIP():
		return t.prefix.Addr().String()
	}
	return t.prefix.String()
}

// MarshalText returns the form of String. It returns ErrTarget if t is not valid.
func (t Target) MarshalText() ([]byte, error) {
	if !t.Valid() {
		return nil, ErrTarget
	}
	return []byte(t.String()), nil
}

// UnmarshalText parses the form of ParseTarget. On error t is unchanged.
func (t *Target) UnmarshalText(text []byte) error {
	u, err := ParseTarget(string(text))
	if err == nil {
		*t = u
	}
	return err
}

// Action is the effect of an entry on its target.
type Action uint8

// Actions.
const (
	// Ban drops packets from the target.
	Ban Action = iota
	// Permit lifts bans of the same kind: a permit of a node ID lifts the ban of that ID, and a
	// permit of a range lifts all bans of its addresses.
	Permit

	// within marks the ranges of a netrestrict.
	within
)

// String returns "ban" or "permit".
func (a Action) String() string {
	switch a {
	case Ban:
		return "ban"
	case Permit:
		return "permit"
	}
	return "action" + strconv.Itoa(int(a))
}

// MarshalText returns the form of String, or ErrAction.
func (a Action) MarshalText() ([]byte, error) {
	if a > Permit {
		return nil, fmt.Errorf("%w: %d", ErrAction, a)
	}
	return []byte(a.String()), nil
}

// UnmarshalText parses the form of String. On error a is unchanged.
func (a *Action) UnmarshalText(text []byte) error {
	switch string(text) {
	case "ban":
		*a = Ban
	case "permit":
		*a = Permit
	default:
		return fmt.Errorf("%w: %s", ErrAction, quote.Text(text))
	}
	return nil
}
