package simnet

import (
	"fmt"
	"net/netip"
	"time"
)

// NATKind is a kind of NAT, by the names of RFC 3489, with those of RFC 4787 beside them.
type NATKind int

// Kinds of NAT. The first three give a host one public endpoint. The last gives it another one for
// each endpoint that it sends to.
const (
	// FullCone lets everybody in where a host has once sent from: endpoint-independent mapping and
	// filtering.
	FullCone NATKind = iota
	// AddressRestricted lets in whoever has an address to which the host has sent:
	// address-dependent filtering.
	AddressRestricted
	// PortRestricted lets in the endpoints to which the host has sent: address and port-dependent
	// filtering.
	PortRestricted
	// Symmetric has a mapping for each endpoint to which a host sends: address and port-dependent
	// mapping and filtering.
	Symmetric
)

// String returns a lower-case name.
func (k NATKind) String() string {
	if k >= FullCone && k <= Symmetric {
		return [...]string{"full cone", "address restricted", "port restricted", "symmetric"}[k]
	}
	return "unknown"
}

// NATConfig says what a NAT is like.
type NATConfig struct {
	Kind NATKind
	// Addr is its public address; by default the network gives it one.
	Addr netip.Addr
	// Place is where it is, and all hosts behind it; by default the network chooses.
	Place Place
	// Timeout is for how long a mapping lasts, and a permission to answer, after the host last
	// sent; default 2 minutes.
	Timeout time.Duration
	// Hairpin lets hosts behind it reach each other at its public address.
	Hairpin bool
	// MaxMappings bounds its memory: mappings and permissions; default 16384. Beyond it nothing new
	// gets out.
	MaxMappings int
}

// NAT is a box with one public IPv4 address and hosts behind it. Hosts behind one NAT reach each
// other at their own addresses.
type NAT struct {
	cfg     NATConfig
	n       *Network
	place   Place
	network netip.Prefix // of the hosts
	hosts   uint32
	inside  map[netip.AddrPort]*port
	out     map[flow]*mapping
	in      map[uint16]*mapping // by public port
	held    int                 // mappings and permissions
	next    uint16
}

// flow is what a mapping belongs to: a host's endpoint and, in a symmetric NAT, the other one.
type flow struct{ inside, outside netip.AddrPort }

type mapping struct {
	flow
	port    uint16 // public
	expires time.Duration
	forward bool // made by hand: forever, and for everybody
	// allowed are those who may answer, with the time until which; the port is 0 where it does not
	// matter.
	allowed map[netip.AddrPort]time.Duration
}

// NewNAT adds a NAT. It fails with ErrAddrUsed, ErrAddr or a *RangeError.
func (n *Network) NewNAT(cfg NATConfig) (*NAT, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute
	}
	if cfg.MaxMappings == 0 {
		cfg.MaxMappings = 1 << 14
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !cfg.Addr.IsValid() {
		cfg.Addr = n.freeAddr4()
	}
	if !cfg.Addr.Is4() {
		return nil, fmt.Errorf("%w: NAT at %s", ErrAddr, cfg.Addr)
	}
	if n.used(cfg.Addr) {
		return nil, fmt.Errorf("%w: NAT at %s", ErrAddrUsed, cfg.Addr)
	}
	if cfg.Place == (Place{}) {
		cfg.Place = somewhere(n.rng)
	}
	t := &NAT{
		cfg: cfg, n: n, place: cfg.Place, network: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(n.nats), 0}), 24),
		inside: make(map[netip.AddrPort]*port), out: make(map[flow]*mapping), in: make(map[uint16]*mapping),
		next: firstPort,
	}
	n.nats++
	n.hosts[cfg.Addr] = host{nat: t}
	return t, nil
}

// removeNAT ends a NAT whose hosts have gone.
func (n *Network) removeNAT(t *NAT) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(t.inside) == 0 {
		delete(n.hosts, t.cfg.Addr)
	}
}

// firstPort is where a NAT begins to give out public ports if that of the host is in use.
const firstPort = 1024

// Addr is the public address.
func (t *NAT) Addr() netip.Addr { return t.cfg.Addr }

// Held is how many mappings and permissions the NAT keeps, those included that have expired and not
// been forgotten.
func (t *NAT) Held() int {
	t.n.mu.Lock()
	defer t.n.mu.Unlock()
	return t.held
}

// Forward leads a public port to a host's endpoint, forever and for everybody. It fails with
// ErrAddrUsed if the port is taken.
func (t *NAT) Forward(port uint16, inside netip.AddrPort) error {
	t.n.mu.Lock()
	defer t.n.mu.Unlock()
	if t.in[port] != nil || port == 0 {
		return fmt.Errorf("%w: port %d of NAT %s", ErrAddrUsed, port, t.cfg.Addr)
	}
	m := &mapping{flow: flow{inside: inside}, port: port, expires: never, forward: true}
	t.in[port] = m
	if t.cfg.Kind != Symmetric && t.out[m.flow] == nil {
		t.out[m.flow] = m // what the host sends comes from there
	}
	t.held++
	return nil
}

// leave sends on what a host behind a NAT has sent: to a neighbor, back in, or out under the
// public address.
func (n *Network) leave(p *packet, from *port) {
	t := from.nat
	switch to := p.To.Addr(); {
	case t.network.Contains(to):
		if p.to = t.inside[p.To]; p.to == nil {
			p.fate = Unreachable
		}
		return
	case to.Is6() || to.IsPrivate():
		p.fate = Unreachable
		return
	case to == t.cfg.Addr && !t.cfg.Hairpin:
		p.fate = Refused
		return
	}
	m := t.mapped(n.Now(), from.addr, p.To)
	if m == nil {
		p.fate = Refused
		return
	}
	p.From = netip.AddrPortFrom(t.cfg.Addr, m.port)
}

// mapped returns the mapping for what a host sends to an endpoint, and allows that one to answer.
// nil: there is no room.
func (t *NAT) mapped(now time.Duration, inside, outside netip.AddrPort) *mapping {
	f := flow{inside: inside}
	if t.cfg.Kind == Symmetric {
		f.outside = outside
	}
	m := t.out[f]
	if m != nil && m.expires < now {
		t.drop(m)
		m = nil
	}
	if m == nil {
		port, ok := t.freePort(now, inside.Port())
		if !ok || !t.room(now) {
			return nil
		}
		m = &mapping{flow: f, port: port, allowed: make(map[netip.AddrPort]time.Duration)}
		t.out[f], t.in[port] = m, m
		t.held++
	}
	if m.forward {
		return m
	}
	m.expires = now + t.cfg.Timeout
	if t.cfg.Kind == FullCone {
		return m
	}
	who := t.permission(outside)
	if _, known := m.allowed[who]; !known {
		if !t.room(now) {
			return nil
		}
		t.held++
	}
	m.allowed[who] = m.expires
	return m
}

// permission returns the address or endpoint that a permission names.
func (t *NAT) permission(outside netip.AddrPort) netip.AddrPort {
	if t.cfg.Kind == AddressRestricted {
		return netip.AddrPortFrom(outside.Addr(), 0)
	}
	return outside
}

// enter returns where a datagram to the public address goes, or nil if it is not let in.
func (t *NAT) enter(now time.Duration, from, to netip.AddrPort) *port {
	m := t.in[to.Port()]
	if m == nil || m.expires < now {
		return nil
	}
	if !m.forward && t.cfg.Kind != FullCone {
		if until, ok := m.allowed[t.permission(from)]; !ok || until < now {
			return nil
		}
	}
	return t.inside[m.inside]
}

// freePort returns a public port that nothing uses: the host's own if it can be had.
func (t *NAT) freePort(now time.Duration, wish uint16) (uint16, bool) {
	port := wish
	for range 1 << 16 {
		m := t.in[port]
		if m != nil && m.expires < now {
			t.drop(m)
			m = nil
		}
		if m == nil && port != 0 {
			return port, true
		}
		port = t.next
		if t.next++; t.next < firstPort {
			t.next = firstPort
		}
	}
	return 0, false
}

// room makes room for one more mapping or permission, if what has expired gives any.
func (t *NAT) room(now time.Duration) bool {
	if t.held < t.cfg.MaxMappings {
		return true
	}
	for _, m := range t.in { // the order makes no difference
		if m.expires < now {
			t.drop(m)
			continue
		}
		for who, until := range m.allowed {
			if until < now {
				delete(m.allowed, who)
				t.held--
			}
		}
	}
	return t.held < t.cfg.MaxMappings
}

func (t *NAT) drop(m *mapping) {
	delete(t.in, m.port)
	if t.out[m.flow] == m {
		delete(t.out, m.flow)
	}
	t.held -= 1 + len(m.allowed)
}
