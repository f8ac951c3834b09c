package nat

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/ranges"
)

// Defaults and bounds of Options.
const (
	DefaultLease    = 20 * time.Minute
	DefaultTimeout  = 12 * time.Second
	DefaultRetryMin = 30 * time.Second
	DefaultRetryMax = 30 * time.Minute

	// MinLease is the shortest lease that a Mapper requests and accepts. Shorter ones would need
	// constant renewal.
	MinLease = 30 * time.Second
	// MaxLease is the longest lease that a Mapper requests. RFC 6886, Section 3.3 recommends 2
	// hours. The Mapper notices after half a lease that a gateway lost its state.
	MaxLease = 24 * time.Hour

	// closeTimeout bounds the deletion of a mapping.
	closeTimeout = 5 * time.Second
)

// Event reports the endpoint or an error.
type Event struct {
	// Method is the active method; with Any, the method of the gateway that answered, if any.
	Method Method
	// Endpoint is the current external endpoint. The zero value means that it is unknown or lost.
	Endpoint netip.AddrPort
	// PortKnown is false if the port of Endpoint is only assumed to be that of the node's socket;
	// see STUN in the package comment.
	PortKnown bool
	// Err is the error of the last attempt. Endpoint may still be valid.
	Err error
}

// RangeError says which number of Options is out of range, what it is, and what the range is. It
// wraps ErrOptions.
type RangeError = ranges.Error

// Options configures a Mapper. Port and Report are required.
type Options struct {
	// Port is the UDP port of the node's socket.
	Port uint16
	// ExternalPort is the port to ask the gateway for. Default: Port. The gateway may grant another
	// one.
	ExternalPort uint16
	// Report is called when the endpoint becomes known, changes or is lost, and for each failed
	// attempt. Calls do not overlap. Report must return soon and must not call Close.
	Report func(Event)

	// IPv6 says that the node's socket is an IPv6 socket, so STUN queries over IPv6. It excludes
	// Any, UPnP and PMP.
	IPv6 bool
	// Lease is the lease to request from the gateway, and twice the time between STUN queries.
	// Default: DefaultLease.
	Lease time.Duration
	// Timeout bounds one attempt, including the search. Default: DefaultTimeout.
	Timeout time.Duration
	// RetryMin and RetryMax bound the pause after a failed attempt. The pause doubles with each
	// failure, and a random part of up to a quarter is added. Default: DefaultRetryMin,
	// DefaultRetryMax.
	RetryMin, RetryMax time.Duration
	// Description names the mapping in the router's list. Default: "discv5".
	Description string
	// AllowPrivate accepts external addresses that are not global, for isolated networks.
	// Unspecified and multicast addresses are never accepted.
	AllowPrivate bool

	// Rand is the source of transaction IDs, ports and pauses. Default: crypto/rand.
	Rand io.Reader
	// SSDP is the target of searches for UPnP gateways. Default: the multicast group,
	// 239.255.255.250:1900. If it is not a multicast address, only that host may answer.
	SSDP netip.AddrPort
	// Gateways returns the candidates for PMP. Default: the system's default gateways with a
	// private address.
	Gateways func() ([]netip.Addr, error)
	// Resolve resolves the name of a STUN server; network is "ip4" or "ip6". Default: the system's
	// resolver.
	Resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

func (o Options) withDefaults(c Config) (Options, error) {
	switch {
	case o.Report == nil:
		return o, fmt.Errorf("%w: no Report", ErrOptions)
	case o.Port == 0:
		return o, fmt.Errorf("%w: no Port", ErrOptions)
	case o.IPv6 && (c.Method == Any || c.Method == UPnP || c.Method == PMP):
		return o, fmt.Errorf("%w: %s supports IPv4 only", ErrOptions, c.Method)
	case len(o.Description) > 64:
		return o, fmt.Errorf("%w: description of %d bytes, more than 64", ErrOptions, len(o.Description))
	}
	if err := ranges.First(
		ranges.Check(ErrOptions, "Lease", o.Lease, MinLease, MaxLease, ranges.Default),
		ranges.Check(ErrOptions, "Timeout", o.Timeout, time.Millisecond, MaxLease, ranges.Default),
		ranges.Check(ErrOptions, "RetryMin", o.RetryMin, time.Millisecond, MaxLease, ranges.Default),
		ranges.Check(ErrOptions, "RetryMax", o.RetryMax, time.Millisecond, MaxLease, ranges.Default),
	); err != nil {
		return o, err
	}
	if o.ExternalPort == 0 {
		o.ExternalPort = o.Port
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&o.Lease, DefaultLease}, {&o.Timeout, DefaultTimeout}, {&o.RetryMin, DefaultRetryMin}, {&o.RetryMax, DefaultRetryMax},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	o.RetryMax = max(o.RetryMin, o.RetryMax)
	if o.Description == "" {
		o.Description = "discv5"
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if !o.SSDP.IsValid() {
		o.SSDP = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 255, 250}), 1900)
	}
	if o.Gateways == nil {
		o.Gateways = defaultGateways
	}
	if o.Resolve == nil {
		o.Resolve = net.DefaultResolver.LookupNetIP
	}
	return o, nil
}

// external checks the external address that a gateway or server reported.
func (o *Options) external(a netip.Addr) (netip.Addr, error) {
	a = a.Unmap()
	if netaddr.ClassOf(a) == netaddr.Global || o.AllowPrivate && a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() {
		return a, nil
	}
	return netip.Addr{}, &AddressError{Addr: a}
}
