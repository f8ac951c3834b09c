package simnet

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// Datagram is one that is under way, or was.
type Datagram struct {
	// From and To are source and destination as the receiver sees them: From after a NAT has
	// translated it, To before.
	From, To netip.AddrPort
	// Sent is when it was sent.
	Sent time.Duration
	// Payload is valid during the call that it is handed to.
	Payload []byte
}

// Fate tells what became of a datagram.
type Fate uint8

// Fates of datagrams.
const (
	Delivered   Fate = iota // to a host
	Lost                    // at random, see Conditions
	Filtered                // by the test, see SetFilter
	Cut                     // between two sides of a partition
	Unreachable             // nobody listens there
	Refused                 // by a NAT
	numFates
)

// String returns a lower-case word for the fate.
func (f Fate) String() string {
	if f < numFates {
		return [numFates]string{"delivered", "lost", "filtered", "cut", "unreachable", "refused"}[f]
	}
	return "unknown"
}

// Traffic counts datagrams.
type Traffic struct {
	Sent   uint64           // by nodes and sockets
	Copies uint64           // added by Conditions.Duplicate
	Bytes  uint64           // of payload, sent
	Fates  [numFates]uint64 // of all that are no longer under way
}

// Traffic returns the counts so far.
func (n *Network) Traffic() Traffic {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.traffic
}

// port is where datagrams for one address of a host arrive.
type port struct {
	addr  netip.AddrPort // the host's own; behind a NAT nobody else knows it
	host  receiver       // nil when nobody listens
	place Place
	nat   *NAT
	side  int
}

type receiver interface {
	listens(*port) bool
	receive(p *port, from netip.AddrPort, b []byte)
}

// packet is a datagram as an event.
type packet struct {
	Datagram
	buf    [codec.MaxPacketSize]byte
	sender *port
	to     *port // nil: to nat, or nowhere
	nat    *NAT
	fate   Fate
	audit  *auditor // of the node that has sent it, if it is audited
}

func (n *Network) packet() *packet {
	if k := len(n.free); k > 0 {
		p := n.free[k-1]
		n.free = n.free[:k-1]
		return p
	}
	return new(packet)
}

// send sends b, which is copied, from a port. A source that is not zero is what the datagram claims
// to come from. a is the auditor of the node that sends, if it is audited.
func (n *Network) send(b []byte, from *port, source, to netip.AddrPort, a *auditor) {
	if a != nil {
		a.sent(to, len(b))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.packet()
	p.From, p.To, p.Sent, p.Payload = source, to, n.Now(), p.buf[:copy(p.buf[:], b)]
	p.sender, p.to, p.nat, p.fate, p.audit = from, nil, nil, Delivered, a
	n.traffic.Sent++
	n.traffic.Bytes += uint64(len(b))
	if !source.IsValid() {
		p.From = from.addr
		if from.nat != nil {
			n.leave(p, from)
		}
	}
	if p.to == nil && p.fate == Delivered {
		n.route(p)
	}
	if filter := n.filter; filter != nil {
		n.mu.Unlock()
		pass := filter(p.Datagram)
		n.mu.Lock()
		if !pass {
			p.fate = Filtered
		}
	}
	place := from.place
	switch {
	case p.to != nil:
		place = p.to.place
	case p.nat != nil:
		place = p.nat.place
	}
	if p.fate == Delivered && n.chance(n.cond.Duplicate) {
		c := n.packet()
		*c = *p
		c.Payload = c.buf[:len(b)]
		n.traffic.Copies++
		n.launch(c, from.place, place)
	}
	n.launch(p, from.place, place)
}

// route finds where a datagram on the public network goes.
func (n *Network) route(p *packet) {
	h := n.hosts[p.To.Addr()]
	if p.nat = h.nat; p.nat != nil {
		return
	}
	if p.to = h.port(p.To.Port()); p.to == nil {
		p.fate = Unreachable
	}
}

// launch sends a datagram on its way, unless it is lost.
func (n *Network) launch(p *packet, from, to Place) {
	if p.fate == Delivered && n.chance(n.cond.Loss) {
		p.fate = Lost
	}
	at := n.Now()
	if p.fate == Delivered {
		at += n.delay(from, to)
	}
	n.record(p, at)
	if p.fate != Delivered && n.cfg.OnDatagram == nil {
		n.traffic.Fates[p.fate]++
		n.recycle(p)
		return
	}
	n.push(&n.flying, at, p)
}

// happen delivers a datagram.
func (p *packet) happen(n *Network) {
	n.mu.Lock()
	var host receiver
	if p.fate == Delivered {
		host = p.arrive(n)
	}
	n.traffic.Fates[p.fate]++
	n.mu.Unlock()
	if n.cfg.OnDatagram != nil {
		n.cfg.OnDatagram(p.Datagram, p.fate)
	}
	if p.fate != Delivered {
		n.touched = nobody
	} else {
		if to, ok := host.(*Node); ok && p.audit != nil {
			p.audit.delivers(to, p.From, p.Payload)
		}
		host.receive(p.to, p.From, p.Payload)
	}
	n.mu.Lock()
	n.recycle(p)
	n.mu.Unlock()
}

// nobody is touched by a datagram that does not arrive.
var nobody = new(machine)

// arrive returns the host that takes a datagram in. If there is none it sets the fate. The caller
// holds mu.
func (p *packet) arrive(n *Network) receiver {
	if p.nat != nil && p.to == nil {
		p.to = p.nat.enter(n.Now(), p.From, p.To)
	}
	switch {
	case p.to == nil:
		p.fate = Refused
	case n.split && p.sender.side != p.to.side:
		p.fate = Cut
	case p.to.host == nil || !p.to.host.listens(p.to):
		p.fate = Unreachable
	default:
		return p.to.host
	}
	return nil
}

// recycle keeps the memory of a datagram for another one. The caller holds mu.
func (n *Network) recycle(p *packet) {
	p.sender, p.to, p.nat, p.Payload, p.audit = nil, nil, nil, nil, nil
	n.free = append(n.free, p)
}

// record adds a datagram to the trace.
func (n *Network) record(p *packet, arrives time.Duration) {
	var b [56]byte
	binary.LittleEndian.PutUint64(b[0:], uint64(n.Now()))
	binary.LittleEndian.PutUint64(b[8:], uint64(arrives)<<3|uint64(p.fate))
	from, to := p.From.Addr().As16(), p.To.Addr().As16()
	copy(b[16:], from[:])
	copy(b[32:], to[:])
	binary.LittleEndian.PutUint16(b[48:], p.From.Port())
	binary.LittleEndian.PutUint16(b[50:], p.To.Port())
	binary.LittleEndian.PutUint32(b[52:], uint32(len(p.Payload)))
	n.trace.Write(b[:])
	n.trace.Write(p.Payload)
}

// Trace is a hash of all datagrams so far: when each was sent and will arrive, from where to where,
// its bytes, and whether it was lost. Two runs with equal traces were the same.
func (n *Network) Trace() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.trace.Sum64()
}
