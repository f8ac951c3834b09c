package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Addresses from which the fabric's routers complain.
var (
	router4 = netip.MustParseAddr("10.255.255.254")
	router6 = netip.MustParseAddr("fd77:ffff::1")
)

// fabric carries packets between hosts.
type fabric struct {
	mu     sync.Mutex
	rng    *rand.Rand
	routes map[netip.Addr]*port
	fault  fault
	// complaints are what senders to addresses without a host hear; those that are not in it hear
	// nothing.
	complaints map[netip.Addr]complaint
	// cut, if not nil, says which packets do not get through at all, besides fault.
	cut func(from, to *port) bool
	// mtu is the largest packet that gets through, 0 for any. A larger one is fragmented if IPv4
	// allows that, else lost, and its sender told so unless silent is set.
	mtu    int
	silent bool
	// tap, if not nil, sees every packet that leaves a host.
	tap func(from *port, h header, b []byte)

	tally tally
}

// tally counts the fabric's actions.
type tally struct {
	packets, lost, late, doubled, corrupt, astray, tooBig, fragmented, complaints atomic.Uint64
}

func (t *tally) String() string {
	s := fmt.Sprintf("%d packets", t.packets.Load())
	for _, c := range []struct {
		name string
		n    *atomic.Uint64
	}{{"lost", &t.lost}, {"late", &t.late}, {"doubled", &t.doubled}, {"altered", &t.corrupt}, {"to nobody", &t.astray},
		{"too big", &t.tooBig}, {"fragmented", &t.fragmented}, {"ICMP", &t.complaints}} {
		if n := c.n.Load(); n > 0 {
			s += fmt.Sprintf(", %d %s", n, c.name)
		}
	}
	return s
}

// port is a host's end of the fabric.
type port struct {
	f     *fabric
	tun   *os.File
	addrs []netip.Addr
	nat   *mapping // or nil

	sent, received atomic.Uint64 // packets, seen from the host
}

// mapping is a NAT with one host behind it: to others inner is at outer. Guarded by the fabric.
type mapping struct{ inner, outer netip.AddrPort }

func newFabric(t *testing.T) *fabric {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("fabric with seed %d", seed)
		}
	})
	return &fabric{rng: rand.New(rand.NewPCG(seed, 1)), routes: make(map[netip.Addr]*port), complaints: make(map[netip.Addr]complaint)}
}

// set changes the fabric.
func (f *fabric) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fabric) setFault(x fault) { f.set(func() { f.fault = x }) }

// attach gives a port the addresses that packets to it have.
func (f *fabric) attach(p *port, addrs ...netip.Addr) {
	f.set(func() {
		for _, a := range p.addrs {
			if f.routes[a] == p {
				delete(f.routes, a)
			}
		}
		p.addrs = addrs
		for _, a := range addrs {
			f.routes[a] = p
		}
	})
}

// serve carries what the host of p sends until the device is closed.
func (f *fabric) serve(p *port) {
	b := make([]byte, 1<<16)
	for {
		n, err := p.tun.Read(b)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil: // such as that the interface is down
			time.Sleep(time.Millisecond)
		default:
			f.forward(p, b[:n])
		}
	}
}

// forward decides about a packet and sends it on its way.
func (f *fabric) forward(from *port, b []byte) {
	h, ok := parse(b)
	if !ok {
		return // multicast, of the kernel's own
	}
	b = append([]byte{}, b...)
	f.mu.Lock()
	defer f.mu.Unlock()
	from.sent.Add(1)
	f.tally.packets.Add(1)
	if f.tap != nil {
		f.tap(from, h, b)
	}
	if f.mtu > 0 && len(b) > f.mtu && h.mayFragment(b) {
		f.tally.fragmented.Add(1)
		for _, piece := range fragments(b, f.mtu) {
			h, _ := parse(piece)
			f.pass(from, h, piece)
		}
		return
	}
	f.pass(from, h, b)
}

// pass sends a packet on its way in one piece. f.mu is held.
func (f *fabric) pass(from *port, h header, b []byte) {
	if f.mtu > 0 && len(b) > f.mtu {
		f.tally.tooBig.Add(1)
		if !f.silent {
			f.complain(from, h, tooBig, b)
		}
		return
	}
	if from.nat != nil && h.udp(b) {
		from.nat.out(h, b)
		h, _ = parse(b)
	}
	to := f.routes[h.dst]
	if to == nil || to.nat != nil && !to.nat.in(h, b) {
		f.tally.astray.Add(1)
		if c, known := f.complaints[h.dst]; known {
			f.complain(from, h, c, b)
		}
		return
	}
	if f.cut != nil && f.cut(from, to) {
		f.tally.lost.Add(1)
		return
	}
	x := f.fault.decide(f.rng)
	if len(x.copies) == 0 {
		f.tally.lost.Add(1)
		return
	}
	if x.corrupt && h.udp(b) {
		f.tally.corrupt.Add(1)
		bit := f.rng.IntN((len(b) - h.payload - sizeUDP) * 8)
		b[h.payload+sizeUDP+bit/8] ^= 1 << (bit % 8)
		if x.fix {
			fixChecksums(b)
		}
	}
	if x.duplicated {
		f.tally.doubled.Add(1)
	}
	for _, late := range x.copies {
		if late == 0 {
			to.deliver(b)
			continue
		}
		f.tally.late.Add(1)
		time.AfterFunc(late, func() { to.deliver(b) })
	}
}

// complain tells the sender of b what has become of it.
func (f *fabric) complain(to *port, h header, c complaint, b []byte) {
	f.tally.complaints.Add(1)
	router := router4
	if h.src.Is6() {
		router = router6
	}
	to.deliver(c.about(router, b, f.mtu))
}

// deliver gives a packet to the kernel of the host. While the interface is down it is lost.
func (p *port) deliver(b []byte) {
	if _, err := p.tun.Write(b); err == nil {
		p.received.Add(1)
	}
}

// out gives a datagram that leaves the host the outer address.
func (m *mapping) out(h header, b []byte) {
	if src := netip.AddrPortFrom(h.src, portAt(b, h.payload)); src == m.inner {
		rewrite(b, h, m.outer, 0)
	}
}

// in leads a datagram to the host, if it is for the port that is mapped.
func (m *mapping) in(h header, b []byte) bool {
	if !h.udp(b) || netip.AddrPortFrom(h.dst, portAt(b, h.payload+2)) != m.outer {
		return false
	}
	rewrite(b, h, m.inner, 1)
	return true
}
