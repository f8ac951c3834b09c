package interop

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// maxRelayFlows is the largest number of remote addresses of a relay.
const maxRelayFlows = 256

// relay is a load balancer on loopback. It forwards packets from its open endpoint to the node
// behind it, with one socket for each remote address; answers leave from the open endpoint. Packets
// that the node sends first do not pass the relay: they leave from another port than the one in the
// node's record.
type relay struct {
	open netip.AddrPort // endpoint for the record
	conn *net.UDPConn

	mu     sync.Mutex
	inner  netip.AddrPort // endpoint of the node
	flows  map[netip.AddrPort]*net.UDPConn
	closed bool
}

// startRelay opens the endpoint at a free port of ip. The relay ends with the test. It forwards
// nothing until forward is called.
func startRelay(t *testing.T, ip netip.Addr) *relay {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		t.Fatal("relay socket:", err)
	}
	r := &relay{
		open:  unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort()),
		conn:  conn,
		flows: make(map[netip.AddrPort]*net.UDPConn),
	}
	t.Cleanup(r.close)
	return r
}

// forward starts forwarding to the node at inner.
func (r *relay) forward(inner netip.AddrPort) {
	r.inner = inner
	go func() {
		buf := make([]byte, codec.MaxPacketSize)
		for {
			n, from, err := r.conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return // closed
			}
			if flow := r.flow(unmapped(from)); flow != nil {
				flow.Write(buf[:n]) // a datagram may be lost
			}
		}
	}()
}

// flow returns the socket for a remote address, or nil if there are too many.
func (r *relay) flow(remote netip.AddrPort) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if flow := r.flows[remote]; flow != nil || r.closed || len(r.flows) == maxRelayFlows {
		return flow
	}
	local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.open.Addr(), 0))
	flow, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(r.inner))
	if err != nil {
		return nil
	}
	r.flows[remote] = flow
	go func() {
		buf := make([]byte, codec.MaxPacketSize)
		for {
			n, err := flow.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				r.conn.WriteToUDPAddrPort(buf[:n], remote)
			}
		}
	}()
	return flow
}

// remotes returns the number of addresses that have sent to the open endpoint.
func (r *relay) remotes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.flows)
}

func (r *relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.conn.Close()
	for _, flow := range r.flows {
		flow.Close()
	}
}
