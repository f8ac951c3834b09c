package drive

import (
	"errors"
	"fmt"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// handshakeWindow is how many handshakes are under way. They take the server milliseconds, within
// which their challenges must not end.
const handshakeWindow = 64

func (c *Client) handshakeWindow() int {
	if c.Handshakes > 0 {
		return c.Handshakes
	}
	return handshakeWindow
}

// attempt is a handshake under way.
type attempt struct {
	*identity
	decoder *codec.Decoder
	session *Session // once the challenge has been answered
	done    bool
}

// Sessions makes n sessions by handshakes. progress is told now and then how many there are.
func (c *Client) Sessions(n int, progress func(int)) ([]Session, error) {
	made := make([]Session, 0, n)
	fresh := produce(n)
	var again []*identity
	for fails := 0; len(made) < n; {
		var batch []*attempt
		for len(batch) < min(c.handshakeWindow(), n-len(made)) {
			var id *identity
			if k := len(again); k > 0 {
				id, again = again[k-1], again[:k-1]
			} else if id = <-fresh; id == nil {
				return made, errors.New("no more identities")
			}
			batch = append(batch, &attempt{identity: id, decoder: codec.NewDecoder(&id.id, codec.DefaultProtocol)})
		}
		if err := c.shake(batch); err != nil {
			return made, err
		}
		before := len(made)
		for _, a := range batch {
			if a.done {
				made = append(made, *a.session)
			} else {
				again = append(again, a.identity)
			}
		}
		if len(made) == before {
			if fails++; fails == 5 {
				return made, fmt.Errorf("%w to handshakes", ErrSilent)
			}
		}
		if progress != nil {
			progress(len(made))
		}
	}
	return made, nil
}

// shake tries to make a session for each of batch.
func (c *Client) shake(batch []*attempt) error {
	for _, a := range batch {
		if err := c.Send(c.Unknown(nil, &a.id, 88), 88); err != nil {
			return err
		}
	}
	for left := len(batch); left > 0; {
		n, err := c.Receive(2 * time.Second)
		if err != nil || n == 0 {
			return err
		}
		for i := range n {
			a, p := match(batch, c.Packet(i))
			switch {
			case a == nil || a.done:
			case p.Flag == codec.FlagWhoareyou && a.session == nil:
				if err := c.respond(a, p.AD); err != nil {
					return err
				}
			case p.Flag == codec.FlagMessage && a.session != nil:
				if t, _, err := open(a.session, p); err == nil && t == codec.TypePong {
					a.done = true
					left--
				}
			}
		}
	}
	return nil
}

// match finds whom a datagram is for. Answers come in order, so the search is short.
func match(batch []*attempt, b []byte) (*attempt, *codec.Packet) {
	var p codec.Packet
	for _, a := range batch {
		if err := a.decoder.Decode(b, &p); err != codec.ErrProtocol && err != codec.ErrSize {
			if err != nil {
				return nil, nil
			}
			return a, &p
		}
	}
	return nil, nil
}

func open(s *Session, p *codec.Packet) (codec.MessageType, []byte, error) {
	plain, err := aead.NewCipher(&s.read).Open(p.Message[:0], &p.Nonce, p.Message, p.AD)
	if err != nil {
		return 0, nil, err
	}
	return codec.SplitMessage(plain)
}

// respond answers a challenge with a handshake that carries a PING.
func (c *Client) respond(a *attempt, challenge []byte) error {
	packet, err := c.proof(a, challenge)
	if err != nil {
		return err
	}
	return c.Send(packet, len(packet))
}

// proof makes the session of a and the handshake packet for it.
func (c *Client) proof(a *attempt, challenge []byte) ([]byte, error) {
	server := [32]byte(c.Server)
	ephemeral := c.ephemeral.PublicKey()
	digest := aead.IDSignatureDigest(challenge, &ephemeral, &server)
	signature, err := a.key.Sign(&digest)
	if err != nil {
		return nil, err
	}
	a.session = &Session{id: a.id}
	a.session.write, a.session.read = aead.DeriveKeys(&c.secret, challenge, &a.id, &server)

	var iv [codec.IVSize]byte
	var nonce codec.Nonce
	c.random.Read(iv[:])
	c.random.Read(nonce[:])
	var buf [maxPacket]byte
	head := codec.AppendHandshakeHeader(buf[:0], codec.DefaultProtocol, &iv, &nonce, &a.id, &signature, &ephemeral, a.record)
	packet := aead.NewCipher(&a.session.write).Seal(head, &nonce, Ping(1), head)
	codec.MaskHeader(packet, len(head), &server)
	return packet, nil
}

// Shake makes a session for each of list, all at a time, and returns how many there are then. What
// is not through is not tried again: it counts as lost.
func (c *Client) Shake(list []*Identity) (made int, err error) {
	for len(list) > 0 {
		n := min(len(list), c.handshakeWindow())
		batch := make([]*attempt, n)
		for i, id := range list[:n] {
			batch[i] = &attempt{identity: id.identity, decoder: codec.NewDecoder(&id.id, codec.DefaultProtocol)}
		}
		if err := c.shake(batch); err != nil {
			return made, err
		}
		for _, a := range batch {
			if a.done {
				made++
			}
		}
		list = list[n:]
	}
	return made, nil
}

// LonePatience is how long Lone waits for each of two answers.
const LonePatience = 2 * time.Second

// Lone makes one session and returns how long the server took: from the first packet to its
// challenge, and from the handshake to the answer of the request in it. What the driver calculates
// in between does not count.
func (c *Client) Lone(id *Identity) (time.Duration, error) {
	a := &attempt{identity: id.identity, decoder: codec.NewDecoder(&id.id, codec.DefaultProtocol)}
	batch := []*attempt{a}
	packet := c.Unknown(nil, &a.id, 88)
	// Poll has no use for what Receive has left
	if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	start := time.Now()
	var took time.Duration
	if err := c.Send(packet, 88); err != nil {
		return 0, err
	}
	for !a.done {
		n, err := c.Poll(LonePatience)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, fmt.Errorf("%w to a handshake", ErrSilent)
		}
		now := time.Now()
		for i := range n {
			who, p := match(batch, c.Packet(i))
			switch {
			case who == nil:
			case p.Flag == codec.FlagWhoareyou && a.session == nil:
				took = now.Sub(start)
				out, err := c.proof(a, p.AD)
				if err != nil {
					return 0, err
				}
				start = time.Now()
				if err := c.Send(out, len(out)); err != nil {
					return 0, err
				}
			case p.Flag == codec.FlagMessage && a.session != nil:
				if t, _, err := open(a.session, p); err == nil && t == codec.TypePong {
					took += now.Sub(start)
					a.done = true
				}
			}
		}
	}
	return took, nil
}
