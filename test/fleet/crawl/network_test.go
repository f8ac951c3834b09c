package crawl_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/internal/session"
)

// simulated is a network of many nodes on loopback. Each has an address below 127.0.0.0/8, a round
// trip time, and buckets as a node in such a network has them. All of them share a few sockets and
// have no state but their sessions, so that 20,000 take little memory and time.
type simulated struct {
	nodes   []*simulatedNode // sorted by ID
	at      map[netip.AddrPort]*simulatedNode
	sockets []*simulatedSocket
	records *enr.Cache

	// mute is the address of a worker that nobody hears, if it is valid.
	mute netip.AddrPort

	// The network stands still before it answers the first request for a record after holdAfter
	// such requests, until release. Nothing is held if holdAfter is 0.
	holdAfter int64
	requests  atomic.Int64
	held      chan struct{} // closed when the network stands still
	released  chan struct{} // closed by release

	mu     sync.Mutex
	random *aead.Random
}

type simulatedNode struct {
	id      enr.ID
	key     *enr.PrivateKey
	record  *enr.Record
	at      netip.AddrPort
	socket  *simulatedSocket
	rtt     time.Duration
	silent  bool
	decoder *codec.Decoder // of the reader of its socket

	mu    sync.Mutex
	peers map[netip.AddrPort]*simulatedPeer
}

// simulatedPeer is what a node knows about one worker.
type simulatedPeer struct {
	challenge session.Challenge
	keys      *session.Keys
	source    [32]byte
	// records counts the requests for the node's record, and walks those for its last bucket.
	records, walks int
}

type simulatedSocket struct {
	net  *simulated
	conn *ipv4.PacketConn
}

// silentShare is the part of the nodes that never answer: in real networks, buckets hold such
// nodes.
const silentShare = 0.1

// simulate starts a network of count nodes. Round trips are distributed like those between hosts of
// the public network: a median of 90 ms, between 20 and 300. scale shortens them.
func simulate(t testing.TB, count int, scale float64, options ...func(*simulated)) *simulated {
	t.Helper()
	seed := [32]byte{1}
	keys, numbers := rand.NewChaCha8(seed), rand.New(rand.NewPCG(1, 2))
	random, err := aead.NewRandom(rand.NewChaCha8(seed))
	if err != nil {
		t.Fatal(err)
	}
	s := &simulated{at: map[netip.AddrPort]*simulatedNode{}, random: random, records: enr.NewCache(4, 1), held: make(chan struct{}), released: make(chan struct{})}
	for range 4 {
		conn, err := net.ListenPacket("udp4", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.UDPConn).SetReadBuffer(8 << 20) // as much as the system allows
		socket := &simulatedSocket{s, ipv4.NewPacketConn(conn)}
		if err := socket.conn.SetControlMessage(ipv4.FlagDst, true); err != nil {
			t.Skipf("probed for IP_PKTINFO: %v", err)
		}
		s.sockets = append(s.sockets, socket)
		port := netip.MustParseAddrPort(conn.LocalAddr().String()).Port()
		for i := len(s.sockets) - 1; i < count; i += 4 {
			key, err := enr.GenerateKey(keys)
			if err != nil {
				t.Fatal(err)
			}
			n := &simulatedNode{key: key, socket: socket, peers: map[netip.AddrPort]*simulatedPeer{}}
			n.at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 100 + byte(i>>16), byte(i >> 8), byte(i)}), port)
			n.record, err = enr.NewBuilder().SetIP(n.at.Addr()).SetUDP(port).SetSeq(1).Sign(key)
			if err != nil {
				t.Fatal(err)
			}
			n.id = n.record.ID()
			self := [32]byte(n.id)
			n.decoder = codec.NewDecoder(&self, codec.DefaultProtocol)
			ms := min(max(90*math.Exp(0.6*numbers.NormFloat64()), 20), 300)
			n.rtt = time.Duration(scale * ms * float64(time.Millisecond))
			n.silent = numbers.Float64() < silentShare && i > 0
			s.nodes = append(s.nodes, n)
			s.at[n.at] = n
		}
	}
	slices.SortFunc(s.nodes, func(a, b *simulatedNode) int { return bytes.Compare(a.id[:], b.id[:]) })
	for _, o := range options {
		o(s)
	}
	for _, socket := range s.sockets {
		go socket.serve()
	}
	t.Cleanup(func() {
		for _, socket := range s.sockets {
			socket.conn.Close()
		}
		s.release()
	})
	return s
}

// hold returns an option that makes the network stand still while a crawl is under way, after a
// number of requests for records. A crawl is short, and may otherwise end before the test notices.
func hold(after int) func(*simulated) {
	return func(s *simulated) { s.holdAfter = int64(after) }
}

// standsStill waits until the network is held.
func (s *simulated) standsStill(t testing.TB) {
	t.Helper()
	select {
	case <-s.held:
	case <-time.After(proctest.Patience):
		t.Fatal("the crawl does not come so far that the network is held")
	}
}

// release lets the network go on.
func (s *simulated) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.released:
	default:
		close(s.released)
	}
}

// counts notes a request for a record.
func (s *simulated) counts() {
	if s.holdAfter > 0 && s.requests.Add(1) == s.holdAfter+1 {
		close(s.held)
	}
}

// wait blocks while the network is held.
func (s *simulated) wait() {
	select {
	case <-s.held:
		<-s.released
	default:
	}
}

// answering returns how many nodes answer.
func (s *simulated) answering() (count int) {
	for _, n := range s.nodes {
		if !n.silent {
			count++
		}
	}
	return count
}

// boot returns the record of a node that answers.
func (s *simulated) boot() string {
	for _, n := range s.nodes {
		if !n.silent {
			return n.record.String()
		}
	}
	return ""
}

// forget makes the nodes forget all sessions and counts.
func (s *simulated) forget() {
	for _, n := range s.nodes {
		n.mu.Lock()
		clear(n.peers)
		n.mu.Unlock()
	}
}

// serve answers datagrams until the socket is closed.
func (s *simulatedSocket) serve() {
	buf := make([]byte, 2048)
	for {
		size, cm, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		source := from.(*net.UDPAddr).AddrPort()
		if cm == nil || !source.Addr().IsLoopback() || source == s.net.mute {
			continue // not of this test, or lost
		}
		s.net.wait()
		to, _ := netip.AddrFromSlice(cm.Dst.To4())
		port := netip.MustParseAddrPort(s.conn.LocalAddr().String()).Port()
		if n := s.net.at[netip.AddrPortFrom(to, port)]; n != nil && !n.silent {
			n.receive(source, bytes.Clone(buf[:size]))
		}
	}
}

// send sends datagrams to a peer after the node's round trip time.
func (n *simulatedNode) send(to netip.AddrPort, packets ...[]byte) {
	time.AfterFunc(n.rtt, func() {
		n.socket.net.wait()
		cm := &ipv4.ControlMessage{Src: n.at.Addr().AsSlice()}
		for _, p := range packets {
			_, _ = n.socket.conn.WriteTo(p, cm, net.UDPAddrFromAddrPort(to)) // a lost datagram
		}
	})
}

func (n *simulatedNode) receive(from netip.AddrPort, datagram []byte) {
	var p codec.Packet
	if n.decoder.Decode(datagram, &p) != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	peer := n.peers[from]
	if peer == nil {
		peer = &simulatedPeer{}
		n.peers[from] = peer
	}
	switch p.Flag {
	case codec.FlagMessage:
		if peer.keys != nil && peer.source == p.SourceID {
			if plain, err := peer.keys.Open(&p.Nonce, p.Message, p.AD); err == nil {
				n.answer(from, peer, plain)
				return
			}
		}
		peer.challenge = session.Challenge{Nonce: p.Nonce}
		s := n.socket.net
		s.mu.Lock()
		s.random.Read(peer.challenge.IV[:])
		s.random.Read(peer.challenge.IDNonce[:])
		s.mu.Unlock()
		n.send(from, peer.challenge.AppendPacket(nil, codec.DefaultProtocol, &p.SourceID))
	case codec.FlagHandshake:
		h := &session.Handshaker{Key: n.key, Curve: curve.Default(), Records: n.socket.net.records, Protocol: codec.DefaultProtocol}
		a, err := h.Agree([]session.Challenge{peer.challenge}, &p, nil)
		if err != nil {
			return
		}
		peer.keys, peer.source = a.Keys, p.SourceID
		n.answer(from, peer, a.Plaintext)
	}
}

// answer answers a message. The caller holds the lock of n.
func (n *simulatedNode) answer(from netip.AddrPort, peer *simulatedPeer, plain []byte) {
	kind, body, err := codec.SplitMessage(plain)
	if err != nil {
		return
	}
	switch kind {
	case codec.TypePing:
		var m codec.Ping
		if m.Decode(body) == nil {
			n.send(from, n.seal(peer, (&codec.Pong{RequestID: m.RequestID, RecordSeq: 1, Recipient: from}).Append(nil)))
		}
	case codec.TypeFindNode:
		var m codec.FindNode
		if m.Decode(body) != nil {
			return
		}
		var records [][]byte
		distances := 0
		for d, ok := m.Distances.Next(); ok; d, ok = m.Distances.Next() {
			distances++
			if d == 0 {
				peer.records++
				n.socket.net.counts()
				records = append(records, n.record.Bytes())
				continue
			}
			records = append(records, n.bucket(d)...)
		}
		if distances > 1 {
			peer.walks++
		}
		n.send(from, n.nodes(peer, m.RequestID, records[:min(len(records), bucketSize)])...)
	}
}

// seal returns a packet with a message.
func (n *simulatedNode) seal(peer *simulatedPeer, plain []byte) []byte {
	h := session.Header{Protocol: codec.DefaultProtocol, Source: n.id}
	s := n.socket.net
	s.mu.Lock()
	h.Randomize(s.random)
	peer.keys.NextNonce(&h.Nonce, s.random)
	s.mu.Unlock()
	return h.AppendMessage(nil, &peer.source, peer.keys, plain)
}

// nodes returns the packets of a NODES response.
func (n *simulatedNode) nodes(peer *simulatedPeer, id codec.RequestID, records [][]byte) (packets [][]byte) {
	var parts [][]byte
	part := []byte{}
	for _, r := range records {
		if len(part)+len(r) > 1100 {
			parts = append(parts, part)
			part = nil
		}
		part = append(part, r...)
	}
	parts = append(parts, part)
	for _, p := range parts {
		packets = append(packets, n.seal(peer, (&codec.Nodes{RequestID: id, Total: uint64(len(parts)), Records: p}).Append(nil)))
	}
	return packets
}

const bucketSize = 16

// bucket returns the records of the nodes in a bucket: all nodes at the distance, or a selection of
// 16 that is always the same.
func (n *simulatedNode) bucket(distance int) (records [][]byte) {
	s := n.socket.net
	low, high := n.id, n.id
	for bit := 256 - distance; bit < 256; bit++ {
		mask := byte(0x80 >> (bit % 8))
		if bit == 256-distance {
			low[bit/8] ^= mask
			high[bit/8] ^= mask
			continue
		}
		low[bit/8] &^= mask
		high[bit/8] |= mask
	}
	begin := sort.Search(len(s.nodes), func(i int) bool { return bytes.Compare(s.nodes[i].id[:], low[:]) >= 0 })
	end := sort.Search(len(s.nodes), func(i int) bool { return bytes.Compare(s.nodes[i].id[:], high[:]) > 0 })
	members := s.nodes[begin:end]
	if len(members) <= bucketSize {
		for _, m := range members {
			records = append(records, m.record.Bytes())
		}
		return records
	}
	choice := rand.New(rand.NewPCG(binary.BigEndian.Uint64(n.id[:]), uint64(distance)))
	for range bucketSize {
		records = append(records, members[choice.IntN(len(members))].record.Bytes())
	}
	return records
}
