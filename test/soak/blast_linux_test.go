package soak

import (
	"context"
	"crypto/rand"
	"encoding/binary"
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
	batch []byte
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
	for range fastpath.MaxSegments {
		h := session.Header{Protocol: codec.DefaultProtocol}
		noise := make([]byte, junkSize-codec.MessageHeaderSize)
		for _, part := range [][]byte{h.IV[:], h.Nonce[:], h.Source[:], noise} {
			_, _ = rand.Read(part)
		}
		b.batch = h.AppendUnopenable(b.batch, &id, noise)
	}
	return b, nil
}

// sender sends one batch in one call: a GSO batch where the system can.
func (b *blaster) sender(c fastpath.Conn) func([]byte) error {
	tx := fastpath.NewTx(fastpath.MaxSegments, junkSize)
	return func(batch []byte) error {
		for ; len(batch) > 0; batch = batch[junkSize:] {
			tx.Commit(copy(tx.Buffer(), batch[:junkSize]), b.to)
		}
		return c.WriteBatch(tx)
	}
}

// run sends until ctx ends. Each packet is in the name of another node ID: the header is masked by
// a stream cipher, so that other masked bytes are another ID.
func (b *blaster) run(ctx context.Context) error {
	const id = codec.IVSize + codec.StaticHeaderSize
	for i := 0; ctx.Err() == nil; i++ {
		for at := id; at < len(b.batch); at += junkSize {
			b.count++
			binary.BigEndian.PutUint64(b.batch[at:], b.count)
		}
		if err := b.send[i%len(b.send)](b.batch); err != nil {
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
