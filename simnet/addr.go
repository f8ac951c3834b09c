package simnet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// nodePort is the UDP port of nodes that are given none.
const nodePort = 9000

// freeAddr4 gives out a public IPv4 address, each in a /24 of its own. Consecutive
// addresses are far apart, because table and votes take a prefix for one subscriber.
func (n *Network) freeAddr4() netip.Addr {
	for {
		const networks = 1 << 22 // 20.0.0.0 to 83.255.255.0
		k := n.given4 * 2654435761 % networks
		host := byte(1 + n.given4/networks)
		n.given4++
		a := netip.AddrFrom4([4]byte{20 + byte(k>>16), byte(k >> 8), byte(k), host})
		if !n.used(a) {
			return a
		}
	}
}

// freeAddr6 gives out a public IPv6 address, each in a /48 of its own.
func (n *Network) freeAddr6() netip.Addr {
	for {
		b := [16]byte{0: 0x2a, 15: 1}
		binary.BigEndian.PutUint32(b[2:], n.given6*2654435761)
		n.given6++
		if a := netip.AddrFrom16(b); !n.used(a) {
			return a
		}
	}
}

func (n *Network) freeIPv6() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.freeAddr6()
}

// freeInside gives out an address behind a NAT.
func (t *NAT) freeInside() (netip.Addr, error) {
	for t.hosts < 253 {
		t.hosts++
		b := t.network.Addr().As4()
		b[3] = byte(1 + t.hosts)
		if a := netip.AddrFrom4(b); t.inside[netip.AddrPortFrom(a, nodePort)] == nil {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%w: no more behind NAT %s", ErrAddrUsed, t.cfg.Addr)
}

// attach lets datagrams for the addresses of ports arrive there, or for none of them if one cannot
// be had.
func (n *Network) attach(ports ...*port) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, p := range ports {
		if err := n.attachOne(p); err != nil {
			for _, q := range ports[:i] {
				n.detachOne(q)
			}
			return err
		}
	}
	return nil
}

func (n *Network) attachOne(p *port) error {
	a := p.addr
	if !a.IsValid() || a.Port() == 0 || a.Addr().Is4In6() || a.Addr().IsUnspecified() {
		return fmt.Errorf("%w: %s", ErrAddr, a)
	}
	if p.nat != nil {
		if !p.nat.network.Contains(a.Addr()) {
			return fmt.Errorf("%w: %s is not in %s, the network behind the NAT", ErrAddr, a, p.nat.network)
		}
		if p.nat.inside[a] != nil {
			return fmt.Errorf("%w: %s", ErrAddrUsed, a)
		}
		p.nat.inside[a] = p
		return nil
	}
	h := n.hosts[a.Addr()]
	switch {
	case h.nat != nil:
		return fmt.Errorf("%w: %s is a NAT", ErrAddrUsed, a.Addr())
	case h.port(a.Port()) != nil:
		return fmt.Errorf("%w: %s", ErrAddrUsed, a)
	case h.first == nil:
		h.first = p
	default:
		h.more = append(h.more, p)
	}
	n.hosts[a.Addr()] = h
	return nil
}

// detach ends that; what is under way to the ports finds nobody.
func (n *Network) detach(ports ...*port) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range ports {
		n.detachOne(p)
	}
}

func (n *Network) detachOne(p *port) {
	p.host = nil
	if p.nat != nil {
		delete(p.nat.inside, p.addr)
		return
	}
	a := p.addr.Addr()
	h := n.hosts[a]
	switch {
	case h.first == nil: // it has been detached before
		return
	case h.first != p:
		h.more = slices.DeleteFunc(h.more, func(q *port) bool { return q == p })
	case len(h.more) > 0:
		h.first, h.more = h.more[0], h.more[1:]
	default:
		delete(n.hosts, a)
		return
	}
	n.hosts[a] = h
}

// host is what a public address belongs to: a NAT, or ports, mostly one. The zero value is
// nobody's.
type host struct {
	nat   *NAT
	first *port
	more  []*port
}

// port returns what listens at a port, or nil.
func (h *host) port(number uint16) *port {
	if h.first != nil && h.first.addr.Port() == number {
		return h.first
	}
	for _, p := range h.more {
		if p.addr.Port() == number {
			return p
		}
	}
	return nil
}

// used reports whether the address is somebody's.
func (n *Network) used(a netip.Addr) bool {
	_, ok := n.hosts[a]
	return ok
}
