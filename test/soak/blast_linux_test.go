package soak

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/load"
	"github.com/fastdisc/discv5/internal/session"
)

// junkSize is that of a PING of usual form, in bytes.
const junkSize = 95

// blaster sends messages of strangers that nobody can open, as fast as one goroutine can. It reads
// no answer.
type blaster struct {
	to    netip.AddrPort
	conns []*fastpath.Group
	send  []func([]byte) error
	train []byte
	count uint64
}

// newBlaster opens a socket at each of the addresses.
func newBlaster(to load.Target, from []netip.Addr) (*blaster, error) {
	b := &blaster{to: to.Addr}
	for _, a := range from {
		g, err := fastpath.Listen(fastpath.Config{Addr: netip.AddrPortFrom(a, 0), RecvBuffer: 4096})
		if err != nil {
			b.close()
			return nil, err
		}
		b.conns = append(b.conns, g)
		b.send = append(b.send, b.sender(g.Conns()[0]))
	}
	id := [32]byte(to.ID)
	for range fastpath.TrainLength(junkSize) {
		h := session.Header{Protocol: codec.DefaultProtocol}
		noise := make([]byte, junkSize-codec.MessageHeaderSize)
		for _, part := range [][]byte{h.IV[:], h.Nonce[:], h.Source[:], noise} {
			_, _ = rand.Read(part)
		}
		b.train = h.AppendUnopenable(b.train, &id, noise)
	}
	return b, nil
}

// sender sends trains where the system can, otherwise their datagrams in batches.
func (b *blaster) sender(c fastpath.Conn) func([]byte) error {
	tx := fastpath.NewTx(fastpath.MaxSegments, junkSize)
	s, _ := fastpath.NewSegmenter(c)
	return func(train []byte) error {
		if s != nil {
			err := s.Send(train, junkSize, b.to)
			if !errors.Is(err, fastpath.ErrSegments) {
				return err
			}
			s = nil
		}
		for ; len(train) > 0; train = train[junkSize:] {
			tx.Commit(copy(tx.Buffer(), train[:junkSize]), b.to)
		}
		return c.WriteBatch(tx)
	}
}

// run sends until ctx ends. Each packet is in the name of another node ID: the header is masked by
// a stream cipher, so that other masked bytes are another ID.
func (b *blaster) run(ctx context.Context) error {
	const id = codec.IVSize + codec.StaticHeaderSize
	for i := 0; ctx.Err() == nil; i++ {
		for at := id; at < len(b.train); at += junkSize {
			b.count++
			binary.BigEndian.PutUint64(b.train[at:], b.count)
		}
		if err := b.send[i%len(b.send)](b.train); err != nil {
			return err
		}
	}
	return nil
}

// sent is how many datagrams the kernel took.
func (b *blaster) sent() (n uint64) {
	for _, g := range b.conns {
		n += g.Stats().TxDatagrams
	}
	return n
}

func (b *blaster) close() {
	for _, g := range b.conns {
		g.Close()
	}
}
