package interop

import (
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	gethenr "github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
)

// resident is a node of the network with odd nodes.
type resident struct {
	member
	odd  string          // deviation from the specification's expectations; "": none
	addr netip.AddrPort  // endpoint at which others find it; invalid: none
	live func() []enr.ID // live nodes of its table; nil: unknown
	own  *own            // nil for other implementations
	via  *relay          // in front of it; nil: none
	boot *introduction   // the node as a bootnode of others
}

// introduction gives a bootnode to both implementations in the test process.
type introduction struct {
	own  discv5.Contact
	geth *enode.Node
}

// byRecord introduces a node by its record.
func byRecord(r *enr.Record) *introduction {
	return &introduction{discv5.ContactOf(r), enode.MustParse(r.String())}
}

// byEnode introduces a node by its key and the endpoint at which to contact it.
func byEnode(t *testing.T, r *enr.Record, at netip.AddrPort) *introduction {
	t.Helper()
	pub, ok := r.PublicKey()
	if !ok {
		t.Fatal("record of a bootnode without a key")
	}
	e := enr.Enode{PublicKey: pub, Addr: at.Addr(), UDP: at.Port(), TCP: at.Port()}
	c, err := discv5.EnodeContact(e, at)
	if err != nil {
		t.Fatal("contact of a bootnode:", err)
	}
	return &introduction{c, enode.MustParse(e.String())}
}

// hosts returns one loopback address per node, as hosts have: 127.0.1.1, 127.0.2.1 and so on.
type hosts int

func (h *hosts) next() netip.Addr {
	*h++
	return netip.AddrFrom4([4]byte{127, 0, byte(*h), 1})
}

// nobodyAt returns another address of the same host, at which no node listens.
func nobodyAt(ip netip.Addr) netip.Addr {
	b := ip.As4()
	b[3] = 99
	return netip.AddrFrom4(b)
}

// ownResident starts a node of this project.
func ownResident(
	t *testing.T, odd string, ip netip.Addr, boot *introduction, change func(*discv5.Config),
) *resident {
	t.Helper()
	cfg := discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.AddrPortFrom(ip, 0)},
		Bootnodes:   []discv5.Contact{boot.own}, RequestTimeout: responseTimeout,
	}
	if change != nil {
		change(&cfg)
	}
	o := startOwnConfig(t, cfg)
	live := func() (ids []enr.ID) {
		for _, n := range o.Nodes() {
			if n.Live {
				ids = append(ids, n.Record.ID())
			}
		}
		return ids
	}
	return &resident{member: o.member(), odd: odd, addr: o.Addrs()[0], live: live, own: o}
}

// restate changes the record of one of our nodes after the start.
func (r *resident) restate(t *testing.T, change func(*enr.Builder)) {
	t.Helper()
	if err := r.own.UpdateRecord(change); err != nil {
		t.Fatalf("record of the node with %s: %v", r.odd, err)
	}
	r.record = r.own.LocalRecord()
}

// gethResident starts a go-ethereum node.
func gethResident(
	t *testing.T, odd string, ip netip.Addr, boot *introduction, change func(*enode.LocalNode),
) *resident {
	t.Helper()
	p := startPeer(t, peerConfig{
		addr: netip.AddrPortFrom(ip, 0), bootnodes: []*enode.Node{boot.geth},
		pingInterval: swarmPingInterval, timeout: responseTimeout, record: change,
	})
	live := func() (ids []enr.ID) {
		for _, bucket := range p.Nodes() {
			for _, n := range bucket {
				if n.Live {
					ids = append(ids, enr.ID(n.Node.ID()))
				}
			}
		}
		return ids
	}
	return &resident{member: p.member(t), odd: odd, addr: p.addr, live: live}
}

// oddBootnodes starts odd bootnodes. Each knows the given one.
func oddBootnodes(t *testing.T, h *hosts, boot *introduction) (list []*resident) {
	t.Helper()
	ip := h.next()
	r := gethResident(t, "a record that names an address where nobody is", ip, boot, func(ln *enode.LocalNode) {
		ln.SetStaticIP(nobodyAt(ip).AsSlice())
	})
	r.boot, r.addr = byEnode(t, r.record, r.addr), netip.AddrPort{}
	list = append(list, r)

	r = ownResident(t, "a record without an address", h.next(), boot, func(c *discv5.Config) {
		c.NoEndpoint = true
	})
	r.boot, r.addr = byEnode(t, r.record, r.addr), netip.AddrPort{}
	list = append(list, r)

	// go-ethereum contacts IPv4 if both families are loopback.
	r = ownResident(t, "IPv6 loopback where nobody is", h.next(), boot, nil)
	r.restate(t, func(b *enr.Builder) { b.SetIP(loopback6).SetUDP6(r.addr.Port()) })
	r.boot = byRecord(r.record)
	list = append(list, r)

	r = gethResident(t, "a TCP port above 65535", h.next(), boot, func(ln *enode.LocalNode) {
		ln.Set(gethenr.WithEntry("tcp", uint64(70000)))
	})
	r.boot = byRecord(r.record)
	return append(list, r)
}

// oddResidents starts further odd nodes. All others can find them.
func oddResidents(t *testing.T, h *hosts, boot *introduction) (list []*resident) {
	t.Helper()
	list = append(list, gethResident(t, "a link-local IPv6 address", h.next(), boot, func(ln *enode.LocalNode) {
		ln.SetStaticIP(netip.MustParseAddr("fe80::250:56ff:fe26:cb98").AsSlice())
	}))

	r := ownResident(t, "a private IPv6 address", h.next(), boot, nil)
	r.restate(t, func(b *enr.Builder) {
		b.SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(r.addr.Port())
	})
	list = append(list, r)

	at := proctest.FreePort(t, "udp", h.next())
	key, record := oddRecord(t, at)
	list = append(list, ownResident(t, "entries that do not fit", at.Addr(), boot, func(c *discv5.Config) {
		c.ListenAddrs, c.PrivateKey, c.Previous = []netip.AddrPort{at}, key, record
	}))
	if got := list[len(list)-1].own.LocalRecord(); got.String() != record.String() {
		t.Fatalf("the record is %s, without the odd entries of %s", got, record)
	}

	lb := startRelay(t, h.next())
	r = gethResident(t, "a rewritten source port, go-ethereum", lb.open.Addr(), boot, func(ln *enode.LocalNode) {
		ln.SetFallbackUDP(int(lb.open.Port()))
	})
	lb.forward(r.addr)
	r.addr, r.via = lb.open, lb
	list = append(list, r)

	own := startRelay(t, h.next())
	r = ownResident(t, "a rewritten source port, own", own.open.Addr(), boot, func(c *discv5.Config) {
		c.Advertise = []netip.AddrPort{own.open}
	})
	own.forward(r.addr)
	r.addr, r.via = own.open, own
	list = append(list, r)

	// The other nodes report its address to it.
	r = ownResident(t, "a record that names another private address", h.next(), boot, nil)
	r.restate(t, func(b *enr.Builder) { b.SetIP(nobodyAt(r.addr.Addr())) })
	return append(list, r)
}

// oddRecord returns a record of a node at the given endpoint with optional entries that do not fit.
// This project does not sign such a record; go-ethereum does.
func oddRecord(t *testing.T, at netip.AddrPort) (*enr.PrivateKey, *enr.Record) {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal("generating a key:", err)
	}
	var r gethenr.Record
	r.Set(gethenr.IPv4Addr(at.Addr()))
	r.Set(gethenr.UDP(at.Port()))
	r.Set(gethenr.WithEntry("ip6", netip.AddrFrom16(at.Addr().As16()).AsSlice())) // IPv4-mapped
	r.Set(gethenr.WithEntry("udp6", uint64(0)))
	r.Set(gethenr.WithEntry("tcp", "30303"))
	r.Set(gethenr.WithEntry("tcp6", uint64(70000)))
	r.SetSeq(1)
	if err := enode.SignV4(&r, key); err != nil {
		t.Fatal("signing an odd record:", err)
	}
	n, err := enode.New(enode.ValidSchemes, &r)
	if err != nil {
		t.Fatal("odd record:", err)
	}
	own, err := enr.ParsePrivateKey(crypto.FromECDSA(key))
	if err != nil {
		t.Fatal("key of an odd record:", err)
	}
	return own, mustParse(t, n.String())
}
