package interop

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5/internal/proctest"
)

// contactTimeout bounds how long the bootnode may take to PING a new node. Tests do not depend on
// its revalidation interval.
const contactTimeout = 60 * time.Second

// TestDirect exchanges single messages over IPv4.
func TestDirect(t *testing.T) { direct(t, loopback4) }

// TestDirectIPv6 exchanges single messages over IPv6.
func TestDirectIPv6(t *testing.T) { direct(t, loopback6) }

func direct(t *testing.T, ip netip.Addr) {
	requireAddr(t, ip)
	t.Run("Client", func(t *testing.T) { directClient(t, ip) })
	t.Run("Server", func(t *testing.T) { directServer(t, ip) })
	t.Run("Inbound", func(t *testing.T) { directInbound(t, ip) })
	t.Run("BootnodeRestart", func(t *testing.T) { directBootnodeRestart(t, ip) })
	t.Run("PeerRestart", func(t *testing.T) { directPeerRestart(t, ip) })
}

// directClient: go-ethereum sends requests, and the bootnode answers. Each request comes from its
// own peer, once as the first message, which needs the handshake, and once as a later message of
// the session.
func directClient(t *testing.T, ip netip.Addr) {
	boot := startBootnode(t, newBootConfig(t, ip))
	requests := []struct {
		name string
		do   func(p *peer, boot *enode.Node) error
	}{
		{"Ping", checkPing},
		{"RequestENR", checkRequestENR},
		{"TalkRequest", checkTalkRequest},
		{"FindNode", checkFindNode},
	}
	for i, first := range requests {
		t.Run(first.name, func(t *testing.T) {
			p := startPeer(t, peerConfig{addr: netip.AddrPortFrom(ip, 0)})
			for j := range requests {
				r := requests[(i+j)%len(requests)]
				if err := patiently(t, func() error { return r.do(p, boot.node) }); err != nil {
					t.Errorf("%s as request %d of the session: %v", r.name, j+1, err)
				}
			}
			expectValidRecords(t, p, boot.node)
		})
	}
}

func checkPing(p *peer, boot *enode.Node) error {
	pong, err := p.Ping(boot)
	if err != nil {
		return err
	}
	if !net.IP(p.addr.Addr().AsSlice()).Equal(pong.ToIP) || pong.ToPort != p.addr.Port() {
		return fmt.Errorf("PONG names endpoint %v:%d, the PING came from %v", pong.ToIP, pong.ToPort, p.addr)
	}
	if pong.ENRSeq < boot.Seq() {
		return fmt.Errorf("PONG has record seq %d, the printed record %d", pong.ENRSeq, boot.Seq())
	}
	return nil
}

func checkRequestENR(p *peer, boot *enode.Node) error {
	n, err := p.RequestENR(boot)
	if err != nil {
		return err
	}
	if n.ID() != boot.ID() || n.Seq() < boot.Seq() {
		return fmt.Errorf("got record of %v with seq %d, want %v with %d or more", n.ID(), n.Seq(), boot.ID(), boot.Seq())
	}
	got, _ := n.UDPEndpoint()
	if want, _ := boot.UDPEndpoint(); got != want {
		return fmt.Errorf("record has endpoint %v, want %v", got, want)
	}
	if n.Seq() == boot.Seq() && n.String() != boot.String() {
		return fmt.Errorf("two records with seq %d:\n%s\n%s", n.Seq(), n, boot)
	}
	return nil
}

func checkTalkRequest(p *peer, boot *enode.Node) error {
	resp, err := p.TalkRequest(boot, "interop-unknown", []byte("hello"))
	if err != nil {
		return err
	}
	if len(resp) != 0 {
		return fmt.Errorf("answer of %d bytes for an unknown protocol, want none", len(resp))
	}
	return nil
}

// checkFindNode requests three distances together, a distance that can hold no node, and distance 0
// among others. The suite checks the results; here each request must be answered, with the own
// record if requested.
func checkFindNode(p *peer, boot *enode.Node) error {
	for _, dists := range [][]uint{{256, 255, 254}, {1}, {0, 256}} {
		nodes, err := p.Findnode(boot, dists)
		if err != nil {
			return fmt.Errorf("distances %v: %w", dists, err)
		}
		self := 0
		for _, n := range nodes {
			if n.ID() == boot.ID() {
				self++
			}
		}
		want := 0
		if dists[0] == 0 {
			want = 1
		}
		if self != want {
			return fmt.Errorf("distances %v: the node's own record came %d times, want %d", dists, self, want)
		}
		if dists[0] == 1 && len(nodes) != 0 {
			return fmt.Errorf("distances %v: got %d nodes, want none", dists, len(nodes))
		}
	}
	return nil
}

// directServer: the bootnode sends the first request. The peers do not know it. It gets one of them
// as a record and the other as an enode URL, which has only a key and an address, so the record
// must be fetched.
func directServer(t *testing.T, ip netip.Addr) {
	byRecord := startPeer(t, peerConfig{addr: netip.AddrPortFrom(ip, 0)})
	byURL := startPeer(t, peerConfig{addr: netip.AddrPortFrom(ip, 0)})
	cfg := newBootConfig(t, ip)
	cfg.bootnodes = []string{byRecord.Self().String(), byURL.Self().URLv4()}
	boot := startBootnode(t, cfg)
	expectContact(t, boot, byRecord, "peer given as enr:")
	expectContact(t, boot, byURL, "peer given as enode:")
	probe := startPeer(t, peerConfig{addr: netip.AddrPortFrom(ip, 0)})
	expectRelayed(t, boot, probe, byRecord)
	expectRelayed(t, boot, probe, byURL)
}

// directInbound: the peer makes contact, and the bootnode checks that it is alive and then returns
// it to others.
func directInbound(t *testing.T, ip netip.Addr) {
	boot := startBootnode(t, newBootConfig(t, ip))
	p := startPeer(t, peerConfig{addr: netip.AddrPortFrom(ip, 0), bootnodes: []*enode.Node{boot.node}})
	expectContact(t, boot, p, "peer that bootstraps from the bootnode")
	probe := startPeer(t, peerConfig{addr: netip.AddrPortFrom(ip, 0)})
	expectRelayed(t, boot, probe, p)
}

// expectContact waits until the peer has received a PING of the bootnode and answered it. Only a
// node that has answered a PING may be relayed.
func expectContact(t *testing.T, boot *bootnode, p *peer, what string) {
	t.Helper()
	eventually(t, contactTimeout, 100*time.Millisecond, "PING from the bootnode to the "+what, func() (bool, string) {
		id := boot.node.ID()
		pings, pongs := p.trace.count("<< PING/v5", id), p.trace.count(">> PONG/v5", id)
		return pings > 0 && pongs > 0, fmt.Sprintf("%d PING, %d FINDNODE received, %d PONG sent",
			pings, p.trace.count("<< FINDNODE/v5", id), pongs)
	})
}

// expectRelayed waits until the bootnode returns p to the probe.
func expectRelayed(t *testing.T, boot *bootnode, probe, p *peer) {
	t.Helper()
	dist := uint(enode.LogDist(boot.node.ID(), p.Self().ID()))
	eventually(t, contactTimeout, 250*time.Millisecond, "record relayed by the bootnode", func() (bool, string) {
		nodes, err := probe.Findnode(boot.node, []uint{dist})
		for _, n := range nodes {
			if n.ID() == p.Self().ID() {
				got, _ := n.UDPEndpoint()
				return got == p.addr, fmt.Sprintf("record with endpoint %v, want %v", got, p.addr)
			}
		}
		return false, fmt.Sprintf("%d other nodes at distance %d, error %v", len(nodes), dist, err)
	})
}

// directBootnodeRestart: the bootnode loses its sessions while the peer keeps its own. The next
// request is sealed with keys that the bootnode no longer has. It must still succeed at the first
// attempt, with a new handshake.
func directBootnodeRestart(t *testing.T, ip netip.Addr) {
	err := patiently(t, func() error { return bootnodeRestart(t, ip) })
	if err != nil {
		t.Fatal(err)
	}
}

func bootnodeRestart(t *testing.T, ip netip.Addr) error {
	t.Helper()
	cfg := newBootConfig(t, ip)
	before := startBootnode(t, cfg)
	p := startPeer(t, peerConfig{addr: netip.AddrPortFrom(ip, 0)})
	if err := checkPing(p, before.node); err != nil {
		return fmt.Errorf("PING before the restart: %w", err)
	}
	before.stop(t, syscall.SIGTERM)

	after := startBootnode(t, cfg)
	if after.node.ID() != before.node.ID() {
		t.Fatalf("node ID %v after the restart, %v before, with the same key", after.node.ID(), before.node.ID())
	}
	if after.node.Seq() < before.node.Seq() {
		t.Errorf("record seq %d after the restart, %d before", after.node.Seq(), before.node.Seq())
	}
	// A real peer would still have the record from before the restart.
	if err := checkPing(p, before.node); err != nil {
		return fmt.Errorf("PING with the old session after the restart: %w", err)
	}
	if err := checkRequestENR(p, after.node); err != nil {
		return fmt.Errorf("RequestENR after the restart: %w", err)
	}
	if err := checkTalkRequest(p, after.node); err != nil {
		return fmt.Errorf("TalkRequest after the restart: %w", err)
	}
	return nil
}

// directPeerRestart: the peer loses its sessions while the bootnode keeps its own. The peer's first
// packet is random bytes to the bootnode, which must accept a new handshake and not insist on the
// old session.
func directPeerRestart(t *testing.T, ip netip.Addr) {
	boot := startBootnode(t, newBootConfig(t, ip))
	p := startPeer(t, peerConfig{addr: proctest.FreePort(t, "udp", ip)})
	if err := patiently(t, func() error { return checkPing(p, boot.node) }); err != nil {
		t.Fatal("PING before the restart:", err)
	}
	restart := func() error {
		p.close()
		p = startPeer(t, peerConfig{addr: p.addr, key: p.key})
		err := checkPing(p, boot.node)
		// A request of the bootnode may cross the PING. Then each side challenges the other and
		// both make keys. go-ethereum keeps only the keys that it made or got last: an answer under
		// the others is lost, as between two of its own nodes.
		if err != nil && p.trace.count(">> WHOAREYOU/v5", boot.node.ID()) > 0 {
			t.Log("handshakes crossed:", err)
			err = checkPing(p, boot.node)
		}
		if err != nil {
			return fmt.Errorf("PING after the peer's restart: %w", err)
		}
		if err := checkFindNode(p, boot.node); err != nil {
			return fmt.Errorf("FINDNODE after the peer's restart: %w", err)
		}
		return nil
	}
	for range 3 {
		if err := patiently(t, restart); err != nil {
			t.Fatal(err)
		}
	}
}
