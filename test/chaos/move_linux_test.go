package chaos

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
)

// Addresses of hosts in networks of their own, as the Internet has them: what private addresses are
// exempt from counts here, and peers' votes on a node's address are heard.
func publicAddr(v6 bool, network, host int) string {
	if v6 {
		return fmt.Sprintf("2a0%d:77::%d", network, host)
	}
	return fmt.Sprintf("91.7.%d.%d", network, host)
}

// movers is a node that peers tell its address, and peers of it.
type movers struct {
	*fabric
	mover *node
	peers []*node
	v6    bool
}

// enough is how many peers have to agree on the mover's address.
const enough = 3

func newMovers(t *testing.T, v6 bool, prepare func(h *host)) *movers {
	t.Helper()
	m := &movers{fabric: newFabric(t), v6: v6}
	alone := func(c *discv5.Config) { c.DetectAddress = -1 }
	for i := range 5 {
		h := m.host(t, publicAddr(v6, i+1, 1))
		if i == 0 {
			m.peers = append(m.peers, h.node(t, alone))
		} else {
			m.peers = append(m.peers, h.node(t, alone, m.peers[0].LocalRecord()))
		}
	}
	h := m.host(t, publicAddr(v6, 9, 1))
	if prepare != nil {
		prepare(h)
	}
	m.mover = h.node(t, func(c *discv5.Config) {
		c.Advertise, c.DetectAddress = nil, enough
	}, m.peers[0].LocalRecord())
	return m
}

// endpoint returns the endpoint in the mover's record.
func (m *movers) endpoint() (a netip.AddrPort) {
	if m.v6 {
		a, _ = m.mover.LocalRecord().UDPEndpoint6()
	} else {
		a, _ = m.mover.LocalRecord().UDPEndpoint4()
	}
	return a
}

// settled waits until the mover's record names at and all peers have it there, while the
// application of the mover keeps calling them. It returns how long the record took, and the
// tables.
func (m *movers) settled(t *testing.T, at netip.AddrPort) (record, tables time.Duration) {
	t.Helper()
	call := func() {
		for _, p := range m.peers {
			_, _ = m.mover.Ping(t.Context(), p.contact())
		}
	}
	record = eventually(t, fmt.Sprintf("record of the mover that names %v", at), func() bool {
		call()
		return m.endpoint() == at
	})
	tables = eventually(t, fmt.Sprintf("mover in all tables at %v", at), func() bool {
		call()
		for _, p := range m.peers {
			if !p.meets(m.mover.LocalRecord(), at) {
				return false
			}
		}
		return true
	})
	return record, record + tables
}

// reached checks that peers reach the mover by what they know of it.
func (m *movers) reached(t *testing.T) {
	t.Helper()
	for i, p := range m.peers {
		k, ok := p.Known(m.mover.ID())
		if !ok || k.Record.Seq() != m.mover.LocalRecord().Seq() {
			t.Errorf("peer %d has another record than the mover's last one", i)
			continue
		}
		p.answers(t, discv5.ContactOf(k.Record), "answer of the mover")
		found, err := p.Resolve(t.Context(), m.mover.ID())
		if err != nil || found.Seq() != k.Record.Seq() {
			t.Errorf("peer %d resolves the mover to %v, %v", i, found, err)
		}
	}
}

// A node's address changes beneath its sockets. It recovers without help: sessions are replaced,
// peers tell it the new address, its record names that, and the tables of the peers have it there.
func TestAddressChange(t *testing.T) {
	heavy(t)
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4", true: "IPv6"}[v6], func(t *testing.T) {
			t.Parallel()
			m := newMovers(t, v6, nil)
			was := netip.AddrPortFrom(netip.MustParseAddr(publicAddr(v6, 9, 1)), udpPort)
			m.settled(t, was)
			seq := m.mover.LocalRecord().Seq()
			before := m.mover.Stats().Counters[engine.HandshakesSent]

			now := netip.AddrPortFrom(netip.MustParseAddr(publicAddr(v6, 8, 7)), udpPort)
			m.mover.h.number(t, now.Addr().String())
			record, tables := m.settled(t, now)
			if m.mover.LocalRecord().Seq() <= seq {
				t.Error("the record's sequence number has not grown")
			}
			made := m.mover.Stats().Counters[engine.HandshakesSent] - before
			if made < uint64(len(m.peers)) {
				t.Errorf("%d handshakes from the new address, want one with each of %d peers", made, len(m.peers))
			}
			m.reached(t)
			result(t, "record names the new address after %s, all %d peers have it there after %s; %d handshakes", seconds(record),
				len(m.peers), seconds(tables), made)
		})
	}
}

// A NAT gives the node another port. It learns of it in the same way.
func TestPortChange(t *testing.T) {
	heavy(t)
	m := newMovers(t, false, nil)
	inner := netip.AddrPortFrom(m.mover.h.v4, udpPort)
	outer := func(port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(publicAddr(false, 7, 7)), port)
	}
	translate := func(port uint16) {
		m.set(func() { m.mover.h.nat = &mapping{inner, outer(port)} })
		m.attach(m.mover.h.port, outer(port).Addr())
	}
	translate(40001)
	first, _ := m.settled(t, outer(40001))
	m.reached(t)
	translate(40002)
	second, tables := m.settled(t, outer(40002))
	m.reached(t)
	for _, p := range m.peers {
		if err := p.Err(); err != nil {
			t.Error(err)
		}
	}
	result(t, "behind a NAT the record names its endpoint after %s, another port after %s, and all %d peers have it there after %s",
		seconds(first), seconds(second), len(m.peers), seconds(tables))
}
