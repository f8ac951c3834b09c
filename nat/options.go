package nat

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// Defaults and bounds of Options.
const (
	DefaultLease    = 20 * time.Minute
	DefaultTimeout  = 12 * time.Second
	DefaultRetryMin = 30 * time.Second
	DefaultRetryMax = 30 * time.Minute

	// MinLease is the shortest lease that is asked for and accepted. Gateways that grant less would
	// be asked all the time.
	MinLease = 30 * time.Second
	// MaxLease is the longest one that is asked for. RFC 6886, Section 3.3 recommends 2 hours; a
	// gateway that loses its state is noticed after half a lease.
	MaxLease = 24 * time.Hour

	// closeTimeout is how long the deletion of a mapping may take.
	closeTimeout = 5 * time.Second
)

// Event is what a Mapper reports.
type Event struct {
	// Method is the one at work; for Any, the one that answered, if one did.
	Method Method
	// Endpoint is where the node can be reached now. The zero value: not known, or not any longer.
	Endpoint netip.AddrPort
	// PortKnown is false if the port of Endpoint is but the node's own: see the package comment on
	// STUN.
	PortKnown bool
	// Err is why the last attempt failed. Endpoint is then the one that still holds, if any.
	Err error
}

// Options of a Mapper. Port and Report are needed.
type Options struct {
	// Port is the UDP port of the node's socket.
	Port uint16
	// ExternalPort is the port to ask the gateway for. Default: Port. The gateway may give another
	// one.
	ExternalPort uint16
	// Report is called when the endpoint becomes known, changes or is lost, and for each failed
	// attempt; never twice at a time. It must return soon, and must not call Close.
	Report func(Event)

	// IPv6 says that the node's socket is an IPv6 one: STUN then asks over IPv6. It does not go
	// with Any, UPnP and PMP.
	IPv6 bool
	// Lease is asked of the gateway, and is the time between two STUN requests doubled.
	Lease time.Duration
	// Timeout bounds one attempt, search included.
	Timeout time.Duration
	// RetryMin and RetryMax bound the pause after a failed attempt. It doubles each time, and up to
	// a quarter is added at random.
	RetryMin, RetryMax time.Duration
	// Description names the mapping in the router's list. Default: "discv5".
	Description string
	// AllowPrivate accepts external addresses that are not global, for networks of their own.
	// Unspecified and multicast ones are never accepted.
	AllowPrivate bool

	// Send, if not nil, sends STUN requests through the node's socket; see Receive. It must not
	// keep packet.
	Send func(packet []byte, to netip.AddrPort) error

	// Rand is the source of transaction IDs, ports and pauses. Default: crypto/rand.
	Rand io.Reader
	// SSDP is where UPnP gateways are searched. Default: the multicast group, 239.255.255.250:1900.
	// If it is not a multicast address then only that host is asked.
	SSDP netip.AddrPort
	// Gateways names the candidates for PMP. Default: the system's default gateways with a private
	// address.
	Gateways func() ([]netip.Addr, error)
	// Resolve turns the name of a STUN server into addresses; network is "ip4" or "ip6". Default:
	// the system's resolver.
	Resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

func (o Options) withDefaults(c Config) (Options, error) {
	switch {
	case o.Report == nil:
		return o, fmt.Errorf("%w: no Report", ErrOptions)
	case o.Port == 0:
		return o, fmt.Errorf("%w: no Port", ErrOptions)
	case o.IPv6 && (c.Method == Any || c.Method == UPnP || c.Method == PMP):
		return o, fmt.Errorf("%w: %s knows IPv4 only", ErrOptions, c.Method)
	case o.Lease != 0 && (o.Lease < MinLease || o.Lease > MaxLease):
		return o, fmt.Errorf("%w: lease of %s, not from %s to %s", ErrOptions, o.Lease, MinLease, MaxLease)
	case len(o.Description) > 64:
		return o, fmt.Errorf("%w: description of %d bytes, more than 64", ErrOptions, len(o.Description))
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
		if *d.v <= 0 {
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

// external checks an address that a gateway or server claims to be the node's.
func (o *Options) external(a netip.Addr) (netip.Addr, error) {
	a = a.Unmap()
	if global(a) || o.AllowPrivate && a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() {
		return a, nil
	}
	return netip.Addr{}, &AddressError{Addr: a}
}
