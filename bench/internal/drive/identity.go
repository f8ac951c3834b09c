package drive

import (
	"crypto/rand"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// identity is a node that the driver plays, before it has a session.
type identity struct {
	key    *enr.PrivateKey
	id     [32]byte
	record []byte
}

// newIdentity makes a node. Its record names no endpoint, so that no server takes it into its
// table.
func newIdentity() (*identity, error) {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	rec, err := enr.NewBuilder().Sign(key)
	if err != nil {
		return nil, err
	}
	return &identity{key, [32]byte(key.ID()), rec.Bytes()}, nil
}

// produce makes n identities ahead of time.
func produce(n int) <-chan *identity {
	c := make(chan *identity, 4*handshakeWindow)
	go func() {
		defer close(c)
		for range n {
			id, err := newIdentity()
			if err != nil {
				return // who receives sees that some are missing
			}
			c <- id
		}
	}()
	return c
}

// Identities makes n nodes, for handshakes that are measured one by one or in small numbers. They
// serve for any server.
func Identities(n int) ([]*Identity, error) {
	list := make([]*Identity, n)
	for i := range list {
		id, err := newIdentity()
		if err != nil {
			return nil, err
		}
		list[i] = &Identity{id}
	}
	return list, nil
}

// Identity is a node that the driver plays, before it has a session.
type Identity struct{ *identity }

// Session is a session with a server, as its initiator has it.
type Session struct {
	id          [32]byte
	read, write [aead.KeySize]byte
}

// Client speaks for many identities to one server.
type Client struct {
	*Socket
	Server enr.ID
	// Handshakes is how many are under way at a time; 0 is 64. A server that is slow and has a
	// small buffer loses more.
	Handshakes int

	pub    [codec.EphemeralKeySize]byte
	random *aead.Random
	// one for all handshakes: the server cannot tell, and its work is the same
	ephemeral *enr.PrivateKey
	secret    [33]byte
}

// NewClient connects to the server with the given record, which may name another address.
func NewClient(s *Socket, server *enr.Record) (*Client, error) {
	c := &Client{Socket: s, Server: server.ID()}
	c.pub, _ = server.PublicKey()
	var err error
	if c.random, err = aead.NewRandom(rand.Reader); err != nil {
		return nil, err
	}
	if c.ephemeral, err = enr.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	c.secret, err = c.ephemeral.ECDH(&c.pub)
	return c, err
}

// header appends IV and header of a message packet.
func (c *Client) header(dst []byte, id *[32]byte, nonce *codec.Nonce) []byte {
	var iv [codec.IVSize]byte
	c.random.Read(iv[:])
	c.random.Read(nonce[:])
	return codec.AppendMessageHeader(dst, codec.DefaultProtocol, &iv, nonce, id)
}

// Seal appends a packet with the given message.
func (c *Client) Seal(dst []byte, s *Session, message []byte) []byte {
	var nonce codec.Nonce
	var buf [maxPacket]byte
	head := c.header(buf[:0], &s.id, &nonce)
	packet := aead.NewCipher(&s.write).Seal(head, &nonce, message, head)
	server := [32]byte(c.Server)
	codec.MaskHeader(packet, codec.MessageHeaderSize, &server)
	return append(dst, packet...)
}

// Unknown appends a packet of the given size from id that no session opens.
func (c *Client) Unknown(dst []byte, id *[32]byte, size int) []byte {
	var nonce codec.Nonce
	start := len(dst)
	var buf [maxPacket]byte
	head := c.header(buf[:0], id, &nonce)
	packet := buf[:size]
	c.random.Read(packet[len(head):])
	server := [32]byte(c.Server)
	codec.MaskHeader(packet, codec.MessageHeaderSize, &server)
	return append(dst[:start], packet...)
}

// Random makes n requests from strangers, each with a node ID of its own.
func (c *Client) Random(n, size int) *Requests {
	r := &Requests{Size: size, Slab: make([]byte, 0, n*size)}
	for range n {
		var id [32]byte
		c.random.Read(id[:])
		r.Slab = c.Unknown(r.Slab, &id, size)
	}
	return r
}
