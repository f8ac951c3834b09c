package prefixquota

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Width is a prefix length that a Quota counts by, from narrow to wide.
type Width uint8

// Widths. A Width from Host to Wide indexes arrays of length NumWidths.
const (
	// Host is an IPv4 /32 or an IPv6 /64.
	Host Width = iota
	// Site is an IPv4 /24 or an IPv6 /48.
	Site
	// Wide is an IPv4 /16 or an IPv6 /32.
	Wide

	// NumWidths is the number of widths.
	NumWidths = 3
)

// bits holds the prefix lengths by family and width.
var bits = [netaddr.NumFamilies][NumWidths]int{
	netaddr.IPv4: {32, netaddr.SiteBits4, netaddr.WideBits4},
	netaddr.IPv6: {netaddr.SubnetBits6, netaddr.SiteBits6, netaddr.WideBits6},
}

// Prefix returns the prefix of width w that contains addr.
func (w Width) Prefix(addr netip.Addr) netaddr.Prefix {
	return netaddr.PrefixOf(addr, bits[netaddr.FamilyOf(addr)][w])
}

// Prefixes are the prefixes of one address at all widths, for addresses that are counted often.
type Prefixes struct {
	at    [NumWidths]netaddr.Prefix
	class netaddr.Class
}

// PrefixesOf returns the prefixes of addr.
func PrefixesOf(addr netip.Addr) (p Prefixes) {
	for w := range p.at {
		p.at[w] = Width(w).Prefix(addr)
	}
	p.class = netaddr.ClassOf(addr)
	return p
}

// At returns the prefix of width w.
func (p *Prefixes) At(w Width) netaddr.Prefix { return p.at[w] }

// String returns "host", "site" or "wide".
func (w Width) String() string {
	return [...]string{"host", "site", "wide", "unknown"}[min(w, NumWidths)]
}

// Limits bounds the items of one prefix, for each width. 0 means the default of the type that uses
// the Limits; a negative number means no limit.
type Limits struct {
	// Host is for one IPv4 address and one IPv6 /64.
	Host int
	// Site is for one IPv4 /24 and one IPv6 /48.
	Site int
	// Wide is for one IPv4 /16 and one IPv6 /32.
	Wide int
}

// Unlimited is the Limits without a limit.
var Unlimited = Limits{-1, -1, -1}

// ErrLimits reports text that is not in the form of ParseLimits.
var ErrLimits = errors.New("prefix limits: want host,site,wide as in 2,2,12, or off")

// ParseLimits parses the form of Limits.String: three numbers, or "off" for no limit. 0 means the
// default and "-" no limit. Errors wrap ErrLimits.
func ParseLimits(s string) (Limits, error) {
	if s == "off" {
		return Unlimited, nil
	}
	fields := strings.Split(s, ",")
	if len(fields) != NumWidths {
		return Limits{}, fmt.Errorf("%w: %d numbers", ErrLimits, len(fields))
	}
	var v [NumWidths]int
	for i, f := range fields {
		if f = strings.TrimSpace(f); f == "-" {
			v[i] = -1
			continue
		}
		n, err := strconv.ParseUint(f, 10, 31)
		if err != nil {
			return Limits{}, fmt.Errorf("%w: bad number %.20q", ErrLimits, f)
		}
		v[i] = int(n)
	}
	return Limits{v[Host], v[Site], v[Wide]}, nil
}

// String returns the form that ParseLimits reads.
func (l Limits) String() string {
	if l.None() {
		return "off"
	}
	var s [NumWidths]string
	for w, n := range l.Widths() {
		if s[w] = "-"; n >= 0 {
			s[w] = strconv.Itoa(n)
		}
	}
	return strings.Join(s[:], ",")
}

// None reports whether l has no limit.
func (l Limits) None() bool { return l.Host < 0 && l.Site < 0 && l.Wide < 0 }

// WithDefaults returns l with every 0 replaced by the number of def.
func (l Limits) WithDefaults(def Limits) Limits {
	for _, f := range [...]struct {
		v   *int
		def int
	}{{&l.Host, def.Host}, {&l.Site, def.Site}, {&l.Wide, def.Wide}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	return l
}

// Widths returns the limits as an array that a Width indexes.
func (l Limits) Widths() [NumWidths]int { return [NumWidths]int{l.Host, l.Site, l.Wide} }
