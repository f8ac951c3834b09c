package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/quote"
)

// HostTimeout bounds the search for the addresses of one host name.
const HostTimeout = 5 * time.Second

// SplitList splits s at commas. It trims white space and drops empty entries.
func SplitList(s string) (list []string) {
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			list = append(list, v)
		}
	}
	return list
}

// Errors about the values of flags. The text says what is wanted; the caller names the flag and the
// value.
var (
	// ErrListenAddr is returned by ParseListenAddr.
	ErrListenAddr = errors.New("want IP:PORT, [IPv6]:PORT or :PORT")
	// ErrPort is returned by ParseListenAddr for :PORT.
	ErrPort = errors.New("port is not a number from 0 to 65535")
	// ErrExternalAddr is returned by ParseExternalAddr.
	ErrExternalAddr = errors.New("want IP, IP:PORT or [IPv6]:PORT")
	// ErrPortZero is returned by ParseExternalAddr for IP:0.
	ErrPortZero = errors.New("port is 0; leave it out to take that of --addr")
	// ErrUnreachable is returned by ParseExternalAddr for unspecified and multicast addresses.
	ErrUnreachable = errors.New("nobody can reach this address")
)

// ParseListenAddr parses IP:PORT, [IPv6]:PORT, or :PORT, which means all IPv4 and all IPv6
// addresses. For :PORT it returns the IPv4 wildcard and, as ipv6, the IPv6 wildcard; ipv6 is zero
// otherwise. Errors wrap ErrListenAddr or ErrPort and quote s.
func ParseListenAddr(s string) (addr, ipv6 netip.AddrPort, err error) {
	port, all := strings.CutPrefix(s, ":")
	if !all {
		a, err := netip.ParseAddrPort(s)
		if err != nil {
			return addr, ipv6, fmt.Errorf("%s: %w", quote.Short(s), ErrListenAddr)
		}
		return netaddr.UnmapPort(a), ipv6, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return addr, ipv6, fmt.Errorf("%s: %w", quote.Short(s), ErrPort)
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)), netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n)), nil
}

// ParseExternalAddr parses an address that other nodes can reach: IP, IP:PORT or [IPv6]:PORT. The
// port of the result is 0 if s has none. Errors wrap one of the errors above and quote s.
func ParseExternalAddr(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	if err == nil && a.Port() == 0 {
		return a, fmt.Errorf("%s: %w", quote.Short(s), ErrPortZero)
	}
	if err != nil {
		ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
		if err != nil || ip.Zone() != "" {
			return netip.AddrPort{}, fmt.Errorf("%s: %w", quote.Short(s), ErrExternalAddr)
		}
		a = netip.AddrPortFrom(ip, 0)
	}
	a = netaddr.UnmapPort(a)
	if ip := a.Addr(); ip.IsUnspecified() || ip.IsMulticast() {
		return a, fmt.Errorf("%s: %w", quote.Short(s), ErrUnreachable)
	}
	return a, nil
}

// Seconds is a flag for a length of time: a number of seconds, as ping(8) takes it, or a number
// with a unit, such as 500ms or 2m. It implements pflag.Value.
type Seconds time.Duration

// maxSeconds bounds a number of seconds; larger ones do not fit a time.Duration.
const maxSeconds = 1e9

// Set implements pflag.Value.
func (s *Seconds) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f >= 0 && f < maxSeconds) {
			return errors.New("want seconds or a time such as 500ms or 2m")
		}
		d = time.Duration(f * float64(time.Second))
	}
	if d < 0 {
		return errors.New("is negative")
	}
	*s = Seconds(d)
	return nil
}

// String implements pflag.Value.
func (s *Seconds) String() string { return time.Duration(*s).String() }

// Type implements pflag.Value. It returns the word for the value in the help text.
func (s *Seconds) Type() string { return "TIME" }
