package interop

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// legacyPeers is how many of them a network with topics has.
const legacyPeers = 6

// legacyPeer is a node without the capability entry that shows what reaches it: it opens every
// message and counts it by its type. It makes handshakes in both directions and answers PING and
// FINDNODE, so that others take it for a node like any, and names other legacy peers wherever it
// can.
type legacyPeer struct {
	*wiretest.Peer
	conn  *net.UDPConn
	names []*enr.Record // other legacy peers

	mu      sync.Mutex
	remotes map[netip.AddrPort]*remotePeer
	counts  map[codec.MessageType]int
}

// remotePeer is a node that a legacyPeer talks to.
type remotePeer struct {
	wiretest.Remote
	keys      *session.Keys
	challenge session.Challenge // the last one that it was sent
	first     []byte            // message that waits for a handshake
}

// startLegacyPeers starts n of them. They end with the test.
func startLegacyPeers(t *testing.T, ip netip.Addr, n int) (list []*legacyPeer) {
	t.Helper()
	for range n {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
		if err != nil {
			t.Fatal("legacy peer socket:", err)
		}
		p := &legacyPeer{
			Peer:    wiretest.NewPeer(t, rand.Uint64(), unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort())),
			conn:    conn,
			remotes: make(map[netip.AddrPort]*remotePeer), counts: make(map[codec.MessageType]int),
		}
		list = append(list, p)
	}
	for _, p := range list {
		for _, o := range list {
			if o != p {
				p.names = append(p.names, o.Record)
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.serve()
		}()
		t.Cleanup(func() {
			p.conn.Close()
			<-done
		})
	}
	return list
}

// contact sends PING to a node, which learns the peer's record by the handshake.
func (p *legacyPeer) contact(r *enr.Record) {
	to, ok := r.UDPEndpoint4()
	if !ok {
		to, _ = r.UDPEndpoint6()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	remote := &remotePeer{Remote: wiretest.RemoteOf(r), first: wiretest.Ping(p.Record.Seq())}
	p.remotes[to] = remote
	p.send(to, p.Unopenable(p.ID(), remote.Remote, nil))
}

// count returns how many messages of a type have arrived.
func (p *legacyPeer) count(kind codec.MessageType) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[kind]
}

func (p *legacyPeer) send(to netip.AddrPort, b []byte) { p.conn.WriteToUDPAddrPort(b, to) }

func (p *legacyPeer) serve() {
	buf := make([]byte, 2*codec.MaxPacketSize)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // the test is over
		}
		packet, err := p.Decode(buf[:n])
		if err != nil {
			continue
		}
		p.mu.Lock()
		p.receive(unmapped(from), packet)
		p.mu.Unlock()
	}
}

// receive handles a packet. p.mu is held.
func (p *legacyPeer) receive(from netip.AddrPort, packet *codec.Packet) {
	remote := p.remotes[from]
	switch packet.Flag {
	case codec.FlagWhoareyou:
		if remote == nil || remote.first == nil {
			return
		}
		h := p.Answer(packet, remote.Remote, remote.first)
		remote.keys, remote.first = h.Keys, nil
		p.send(from, p.Encode(h, remote.Remote))
	case codec.FlagHandshake:
		if remote == nil {
			return
		}
		a, err := p.Accept(&remote.challenge, packet, nil)
		if err != nil {
			return
		}
		remote.keys = a.Keys
		p.handle(from, remote, a.Plaintext)
	default:
		if remote == nil {
			remote = new(remotePeer)
			p.remotes[from] = remote
		}
		if remote.keys != nil {
			p.Keys = remote.keys
			if plaintext, err := p.Open(packet); err == nil {
				p.handle(from, remote, plaintext)
				return
			}
		}
		remote.ID = packet.SourceID
		var challenge []byte
		remote.challenge, challenge = p.Challenge(packet, remote.Remote, 0)
		p.send(from, challenge)
	}
}

// handle counts a message, and answers those that any node answers.
func (p *legacyPeer) handle(from netip.AddrPort, remote *remotePeer, plaintext []byte) {
	kind, body, err := codec.SplitMessage(plaintext)
	if err != nil {
		return
	}
	p.counts[kind]++
	var ping codec.Ping
	var find codec.FindNode
	var answer []byte
	switch {
	case kind == codec.TypePing && ping.Decode(body) == nil:
		answer = (&codec.Pong{RequestID: ping.RequestID, RecordSeq: p.Record.Seq(), Recipient: from}).Append(nil)
	case kind == codec.TypeFindNode && find.Decode(body) == nil:
		m := codec.Nodes{RequestID: find.RequestID, Total: 1}
		for d, ok := find.Distances.Next(); ok; d, ok = find.Distances.Next() {
			for _, r := range slices.Concat(p.names, []*enr.Record{p.Record}) {
				if enr.LogDistance(p.ID(), r.ID()) == d && len(m.Records) < codec.MaxPacketSize-2*enr.MaxSize {
					m.Records = append(m.Records, r.Bytes()...)
				}
			}
		}
		answer = m.Append(nil)
	default:
		return
	}
	p.Keys = remote.keys
	p.send(from, p.Message(remote.Remote, answer))
}
