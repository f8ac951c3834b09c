package simnet

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/zeebo/xxh3"

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

// Fate is what became of a datagram.
type Fate uint8

// Fates of datagrams.
const (
	Delivered   Fate = iota // to a host
	Lost                    // by chance, see Conditions
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
func (n *Network) Traffic() Traffic { return n.traffic }

// Flying is how many datagrams are under way.
func (n *Network) Flying() int { return len(n.flying.list) }

// port is where datagrams for one address of a host arrive.
type port struct {
	addr  netip.AddrPort // the host's own; behind a NAT nobody else knows it
	host  receiver       // nil when nobody listens
	place Place
	nat   *NAT
	side  int
}

type receiver interface {
	listens() bool
	receive(from netip.AddrPort, b []byte)
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

// send sends the first size bytes of the buffer of p, which the network takes over, from a port. A
// source that is not zero is what the datagram claims to come from.
func (n *Network) send(p *packet, size int, from *port, source, to netip.AddrPort) {
	p.From, p.To, p.Sent, p.Payload = source, to, n.now, p.buf[:size]
	p.sender, p.to, p.nat, p.fate = from, nil, nil, Delivered
	n.traffic.Sent++
	n.traffic.Bytes += uint64(size)
	if !source.IsValid() {
		p.From = from.addr
		if from.nat != nil {
			n.leave(p, from)
		}
	}
	if p.to == nil && p.fate == Delivered {
		n.route(p)
	}
	if n.filter != nil && !n.filter(p.Datagram) {
		p.fate = Filtered
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
		c.Payload = c.buf[:size]
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

// launch sends a datagram on its way, on which it may end at once.
func (n *Network) launch(p *packet, from, to Place) {
	if p.fate == Delivered && n.chance(n.cond.Loss) {
		p.fate = Lost
	}
	at := n.now
	if p.fate == Delivered {
		at += n.delay(from, to)
	}
	n.record(p, at)
	if p.fate != Delivered {
		n.end(p)
		return
	}
	n.seq++
	n.flying.push(event{at, n.seq, p})
}

// happen delivers a datagram.
func (p *packet) happen(n *Network) {
	if p.nat != nil && p.to == nil {
		p.to = p.nat.enter(n.now, p.From, p.To)
	}
	switch {
	case p.to == nil:
		p.fate = Refused
	case n.split && p.sender.side != p.to.side:
		p.fate = Cut
	case p.to.host == nil || !p.to.host.listens():
		p.fate = Unreachable
	default:
		n.ended(p)
		if to, ok := p.to.host.(*Node); ok && p.audit != nil {
			p.audit.delivers(to, p.From, p.Payload)
		}
		p.to.host.receive(p.From, p.Payload)
		n.recycle(p)
		return
	}
	n.end(p)
}

// ended counts a datagram that has come to the end of its way.
func (n *Network) ended(p *packet) {
	n.traffic.Fates[p.fate]++
	if n.cfg.OnDatagram != nil {
		n.cfg.OnDatagram(p.Datagram, p.fate)
	}
}

func (n *Network) end(p *packet) {
	n.ended(p)
	n.recycle(p)
}

func (n *Network) recycle(p *packet) {
	p.sender, p.to, p.nat, p.Payload, p.audit = nil, nil, nil, nil, nil
	n.free = append(n.free, p)
}

// record adds a datagram to the trace.
func (n *Network) record(p *packet, arrives time.Duration) {
	var b [64]byte
	binary.LittleEndian.PutUint64(b[0:], n.trace)
	binary.LittleEndian.PutUint64(b[8:], uint64(n.now))
	binary.LittleEndian.PutUint64(b[16:], uint64(arrives)<<3|uint64(p.fate))
	from, to := p.From.Addr().As16(), p.To.Addr().As16()
	copy(b[24:], from[:])
	copy(b[40:], to[:])
	binary.LittleEndian.PutUint16(b[56:], p.From.Port())
	binary.LittleEndian.PutUint16(b[58:], p.To.Port())
	n.trace = xxh3.HashSeed(p.Payload, xxh3.Hash(b[:]))
}

// Trace is a hash of all datagrams so far: when each was sent and will arrive, from where to where,
// its bytes, and whether it was lost. Two runs with equal traces were the same.
func (n *Network) Trace() uint64 { return n.trace }
