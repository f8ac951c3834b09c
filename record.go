package discv5

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/hostaddr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// AdvertisedAddr returns the address in the record of a node that listens on addr, unless
// Config.Advertise names one: addr itself or, for the wildcard, the address of that family from
// which the system sends to the public internet. Without a route to the internet it is the address
// from which the system sends in its own networks. Stable addresses win over deprecated and
// temporary ones. ok is false if there is no address.
func AdvertisedAddr(addr netip.AddrPort) (a netip.AddrPort, ok bool) {
	if !addr.Addr().IsUnspecified() {
		return addr, true
	}
	r, err := hostaddr.Open()
	if err != nil {
		return netip.AddrPort{}, false
	}
	defer r.Close()
	ip := hostaddr.Choose(r, netaddr.FamilyOf(addr.Addr()))
	return netip.AddrPortFrom(ip, addr.Port()), ip.IsValid()
}

// reach ranks addresses by the number of nodes that can reach them. 0 means none.
func reach(ip netip.Addr) int { return hostaddr.Reach(ip) }

// advertised has the endpoints of a record, by family.
type advertised struct {
	end   [2]netip.AddrPort
	fixed [2]bool // by Config.Advertise
}

// listensGlobal reports whether a node that is bound to addresses can be reached at a global one. A
// wildcard stands for the addresses of the machine, unless the operator has said which to
// advertise.
func listensGlobal(cfg *Config, bound []netip.AddrPort) bool {
	for _, b := range bound {
		if b.Addr().IsUnspecified() && len(cfg.Advertise) > 0 {
			continue
		}
		if a, ok := AdvertisedAddr(b); ok && netaddr.ClassOf(a.Addr()) == netaddr.Global {
			return true
		}
	}
	return false
}

// chooseEndpoints returns the endpoints of a record. bound are the addresses that the node listens
// on, and best returns the address of a family that stands for a wildcard, invalid for none.
func chooseEndpoints(cfg *Config, bound []netip.AddrPort, best func(f Family) netip.Addr) (a advertised, err error) {
	end := &a.end
	if cfg.NoEndpoint {
		bound = nil
	}
	for _, b := range bound {
		f := netaddr.FamilyOf(b.Addr())
		if b.Addr().IsUnspecified() {
			b = netip.AddrPortFrom(best(f), b.Port())
		}
		if b.Addr().IsValid() && (!end[f].IsValid() || reach(b.Addr()) > reach(end[f].Addr())) {
			end[f] = b
		}
	}
	for _, given := range cfg.Advertise {
		f := netaddr.FamilyOf(given.Addr())
		a.fixed[f] = true
		port := given.Port()
		for _, b := range bound {
			if port == 0 && netaddr.FamilyOf(b.Addr()) == f {
				port = b.Port()
			}
		}
		if port == 0 {
			return a, fmt.Errorf("%w: advertised address %s has no port, and there is no listen address of its family", ErrConfig, given)
		}
		end[f] = netip.AddrPortFrom(given.Addr().Unmap(), port)
	}
	a.restrict()
	return a, nil
}

// restrict leaves out an address beside one that more nodes can reach. Most nodes cannot use it,
// and refuse a record that would lead them into their own networks.
func (a *advertised) restrict() {
	end := a.end
	for f, e := range end {
		if o := end[1-f]; e.IsValid() && o.IsValid() && reach(e.Addr()) < reach(o.Addr()) && !a.fixed[f] {
			a.end[f] = netip.AddrPort{}
		}
	}
}

// endpointKeys are the keys of a record that name endpoints for discovery.
var endpointKeys = [...]string{"ip", "udp", "ip6", "udp6"}

// makeRecord makes the local record with the endpoints end. If these and Config.Entries change
// nothing in Config.Previous, it returns Previous.
func makeRecord(cfg *Config, end [2]netip.AddrPort, now time.Time) (*enr.Record, error) {
	// Sequence numbers start with the time, so that a node which lost its memory still has a higher
	// one than before.
	b, seq := enr.NewBuilder(), uint64(now.UnixMilli())
	p := cfg.Previous
	same := false // the endpoints
	if p != nil {
		has4, has6 := endpoints(p)
		same = has4 == end[0] && has6 == end[1]
		if same && cfg.Entries == nil && cfg.Topics.stated(p) {
			return p, nil
		}
		b, seq = p.Edit(), p.Seq()+1
	}
	if cfg.Entries != nil {
		cfg.Entries(b)
		b.SetSeq(seq)
	}
	cfg.Topics.state(b)
	for _, k := range endpointKeys {
		if p != nil && same && p.Check(k) == nil {
			value, _ := p.Get(k)
			b.Set(k, value)
		} else {
			b.Delete(k)
		}
	}
	if !same {
		if e := end[0]; e.IsValid() {
			b.SetIP(e.Addr()).SetUDP(e.Port())
		}
		if e := end[1]; e.IsValid() {
			b.SetIP(e.Addr()).SetUDP6(e.Port())
		}
	} else if !b.Changes(p) {
		return p, nil
	}
	r, err := b.SetSeq(seq).Sign(cfg.PrivateKey)
	switch {
	case err == nil:
		return r, nil
	case cfg.Entries != nil && !errors.Is(err, enr.ErrSeqOverflow):
		return nil, fmt.Errorf("%w: Entries: %w", ErrConfig, err)
	}
	return nil, errorf("discv5: sign local record: %w", err)
}

// endpoints are the endpoints in a record; the zero value of one means none.
func endpoints(r *enr.Record) (v4, v6 netip.AddrPort) {
	v4, _ = r.UDPEndpoint4()
	v6, _ = r.UDPEndpoint6()
	return v4, v6
}

// ErrEndpoint: an endpoint that no record may name.
var ErrEndpoint = errors.New("discv5: endpoint that nobody can reach")

// SetEndpoint replaces the record's endpoint of the family of a by a. Use it for an endpoint that
// is certain, such as a port mapping of a router: votes do not change that family until
// ReleaseEndpoint. If the record names a already, it stays as it is. An endpoint of the other
// family that fewer nodes can reach leaves the record, unless it is certain too. On error the
// record stays as it is, and votes count again.
func (n *Node) SetEndpoint(a netip.AddrPort) error {
	a = netaddr.UnmapPort(a)
	if !a.Addr().IsValid() || a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Port() == 0 {
		return fmt.Errorf("%w: %s", ErrEndpoint, a)
	}
	family := netaddr.FamilyOf(a.Addr())
	n.engine.PinAddress(family, true)
	v4, v6 := endpoints(n.LocalRecord())
	if [2]netip.AddrPort{v4, v6}[family] == a {
		return nil
	}
	err := n.UpdateRecord(func(b *enr.Builder) { n.engine.PutEndpoint(b, a) })
	if err != nil {
		n.engine.PinAddress(family, false)
	}
	return err
}

// ReleaseEndpoint ends the effect of SetEndpoint for a family: the record stays as it is until
// peers agree on another endpoint, if Config.DetectAddress lets them.
func (n *Node) ReleaseEndpoint(family Family) { n.engine.PinAddress(family, false) }
