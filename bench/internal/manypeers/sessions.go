package manypeers

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/load"
	"github.com/fastdisc/discv5/internal/session"
)

// ErrAnswer is wrapped by errors about a server that does not answer as it should.
var ErrAnswer = errors.New("answer of the server")

const (
	stepTimeout = time.Second // for one step of a handshake
	attempts    = 8           // of one peer
)

// Peer is a node that the generator acts as.
type Peer struct {
	addr   netip.AddrPort
	id     [32]byte
	key    *enr.PrivateKey
	record []byte
}

// NewPeers makes n peers, each with an address of its own. Their records name no endpoint, so that
// no server asks them in turn.
func NewPeers(n int) ([]Peer, error) {
	if n < 1 || n > MaxPeers {
		return nil, fmt.Errorf("%d peers, want 1 to %d", n, MaxPeers)
	}
	list := make([]Peer, n)
	for i := range list {
		key, err := enr.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		rec, err := enr.NewBuilder().Sign(key)
		if err != nil {
			return nil, err
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), peerPort)
		list[i] = Peer{addr, [32]byte(key.ID()), key, rec.Bytes()}
	}
	return list, nil
}

// handshaker makes sessions of the peers with one server, from a socket that has all their
// addresses.
type handshaker struct {
	conn      *net.UDPConn
	to        netip.AddrPort
	target    load.Target
	id        [32]byte
	ephemeral [codec.EphemeralKeySize]byte
	secret    [33]byte
	random    *aead.Random
	header    session.Header
	list      []pending

	handshakes int // sent
}

// pending is one peer's handshake.
type pending struct {
	*Peer
	keys     *session.Keys
	deadline time.Time // zero: no packet is under way
	attempts int
	answered bool // the challenge of this attempt
	done     bool
}

// newHandshaker opens the socket. record is the server's.
func newHandshaker(k *Link, peers []Peer, record string) (*handshaker, error) {
	h := &handshaker{to: k.Addr, list: make([]pending, len(peers))}
	for i := range peers {
		h.list[i].Peer = &peers[i]
	}
	var err error
	if h.target, err = load.ParseTarget(record, false); err != nil {
		return nil, err
	}
	h.id = [32]byte(h.target.ID)
	// One ephemeral key serves for all peers: the server cannot tell.
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	h.ephemeral = key.PublicKey()
	if h.secret, err = key.ECDH(&h.target.PublicKey); err != nil {
		return nil, err
	}
	if h.random, err = aead.NewRandom(rand.Reader); err != nil {
		return nil, err
	}
	h.header.Protocol = codec.DefaultProtocol
	err = k.lab.client.Do(func() (err error) {
		h.conn, err = net.ListenUDP("udp4", &net.UDPAddr{Port: peerPort})
		return err
	})
	if err != nil {
		return nil, err
	}
	raw, err := h.conn.SyscallConn()
	if err == nil {
		var option error
		err = errors.Join(raw.Control(func(fd uintptr) {
			option = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}), option)
	}
	if err != nil {
		h.conn.Close()
		return nil, err
	}
	_ = h.conn.SetReadBuffer(4 << 20) // more packets are lost with less
	return h, nil
}

// send sends a packet of peer i.
func (h *handshaker) send(i int, packet []byte) error {
	source := unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: h.list[i].addr.Addr().As4()})
	_, _, err := h.conn.WriteMsgUDPAddrPort(packet, source, h.to)
	return err
}

// receive waits for the next packet of the server, and returns the number of the peer that it is
// for. None in time is os.ErrDeadlineExceeded.
func (h *handshaker) receive(buf []byte, until time.Time) (i, n int, err error) {
	var control [128]byte
	if err := h.conn.SetReadDeadline(until); err != nil {
		return 0, 0, err
	}
	for {
		n, size, _, from, err := h.conn.ReadMsgUDPAddrPort(buf, control[:])
		if err != nil {
			return 0, 0, err
		}
		list, err := unix.ParseSocketControlMessage(control[:size])
		if err != nil || from.Port() != port {
			continue
		}
		for _, m := range list {
			// struct in_pktinfo: interface, local address, destination of the header
			if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12 {
				if d := m.Data[8:12]; d[0] == 10 && d[1] == 9 {
					if i := int(d[2])<<8 | int(d[3]); i < len(h.list) {
						return i, n, nil
					}
				}
			}
		}
	}
}

// makeSessions makes a session of each peer, with up to window handshakes under way.
func (h *handshaker) makeSessions(window int) error {
	return h.pingInTurn(0, len(h.list), window)
}

// pingInTurn has count peers ping the server, from number first on and from 0 after the last one,
// with up to window of them under way. A peer without a session sends a packet that the server
// cannot open. A peer answers a challenge.
func (h *handshaker) pingInTurn(first, count, window int) error {
	buf := make([]byte, 2048)
	waiting := make(map[int]bool)
	next, done := 0, 0
	for done < count {
		for ; next < count && len(waiting) < window; next++ {
			i := (first + next) % len(h.list)
			h.list[i].done, h.list[i].attempts = false, 0
			waiting[i] = true
			if err := h.begin(i); err != nil {
				return err
			}
		}
		i, n, err := h.receive(buf, time.Now().Add(stepTimeout/4))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			for i := range waiting {
				if p := &h.list[i]; time.Now().After(p.deadline) {
					if p.attempts == attempts {
						return fmt.Errorf("%w: peer %d got no session in %d attempts; %d have one", ErrAnswer, i, attempts, done)
					}
					if err := h.begin(i); err != nil {
						return err
					}
				}
			}
		case err != nil:
			return err
		default:
			ok, err := h.step(i, buf[:n])
			if err != nil {
				return err
			}
			if ok {
				delete(waiting, i)
				done++
			}
		}
	}
	return nil
}

// begin sends a PING of peer i, or a packet that the server cannot open if the peer has no session.
// Another attempt makes a new session.
func (h *handshaker) begin(i int) error {
	p := &h.list[i]
	p.attempts++
	p.deadline = time.Now().Add(stepTimeout)
	p.answered = false
	if p.keys != nil && p.attempts == 1 {
		return h.send(i, h.request(Ping, i))
	}
	p.keys = nil
	h.header.Source = p.id
	h.header.Randomize(h.random)
	var junk [44]byte
	h.random.Read(junk[:])
	return h.send(i, h.header.AppendUnopenable(nil, &h.id, junk[:]))
}

// step takes a packet to peer i, and reports whether its PING is answered.
func (h *handshaker) step(i int, b []byte) (done bool, err error) {
	p := &h.list[i]
	if p.done {
		return false, nil
	}
	var packet codec.Packet
	if err := codec.NewDecoder(&p.id, codec.DefaultProtocol).Decode(b, &packet); err != nil {
		return false, nil //nolint:nilerr // not for this peer
	}
	if packet.Flag == codec.FlagWhoareyou {
		if p.answered {
			return false, nil // of an earlier attempt
		}
		p.answered = true
		h.handshakes++
		return false, h.answer(i, packet.AD)
	}
	if message, _ := p.open(&packet); len(message) > 0 && codec.MessageType(message[0]) == codec.TypePong {
		p.done = true
		return true, nil
	}
	return false, nil
}

func (p *pending) open(packet *codec.Packet) ([]byte, error) {
	if p.keys == nil || packet.Flag != codec.FlagMessage {
		return nil, nil
	}
	return p.keys.Open(&packet.Nonce, packet.Message, packet.AD)
}

// answer sends the handshake that answers a challenge, with a PING.
func (h *handshaker) answer(i int, challenge []byte) error {
	p := &h.list[i]
	digest := aead.IDSignatureDigest(challenge, &h.ephemeral, &h.id)
	signature, err := p.key.Sign(&digest)
	if err != nil {
		return err
	}
	write, read := aead.DeriveKeys(&h.secret, challenge, &p.id, &h.id)
	p.keys = session.NewKeys(&read, &write)
	h.prepare(p)
	in := session.Initiation{Keys: p.keys, Signature: signature, Ephemeral: h.ephemeral}
	return h.send(i, h.header.AppendHandshake(nil, &h.id, &in, p.record, message(Ping, i)))
}

// prepare sets the header for the next packet of p.
func (h *handshaker) prepare(p *pending) {
	h.header.Source = p.id
	p.keys.NextNonce(&h.header.Nonce, h.random)
	h.random.Block(&h.header.IV)
}

// request makes a request of peer i, which is sealed with its session.
func (h *handshaker) request(w Workload, i int) []byte {
	p := &h.list[i]
	h.prepare(p)
	return h.header.AppendMessage(nil, &h.id, p.keys, message(w, i))
}

// ask sends a request of peer 0, and returns the sizes of the datagrams that answer it, and the
// node records in them.
func (h *handshaker) ask(w Workload) (sizes []int, records int, err error) {
	buf := make([]byte, 2048)
	p := &h.list[0]
	for range attempts {
		if err := h.send(0, h.request(w, 0)); err != nil {
			return nil, 0, err
		}
		sizes, records = nil, 0
		for until := time.Now().Add(stepTimeout); ; {
			i, n, err := h.receive(buf, until)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, 0, err
			}
			var packet codec.Packet
			if i != 0 || codec.NewDecoder(&p.id, codec.DefaultProtocol).Decode(buf[:n], &packet) != nil {
				continue
			}
			plain, err := p.open(&packet)
			if err != nil || len(plain) == 0 {
				continue
			}
			more, count := answers(w, plain)
			if more == 0 {
				continue
			}
			sizes, records = append(sizes, n), records+count
			if len(sizes) == more {
				return sizes, records, nil
			}
		}
	}
	return nil, 0, fmt.Errorf("%w: none to %s", ErrAnswer, w)
}
