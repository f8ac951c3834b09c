package load

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
)

// floodPause is how long a Flood with a rate sleeps between bursts.
const floodPause = 500 * time.Microsecond

// FloodConfig configures a Flood.
type FloodConfig struct {
	Target Target
	Public bool         // allows a target for which Local is false
	Source []netip.Addr // local addresses, one socket each. Default: as for Config.Sources
	Size   int          // of a packet, in bytes
	IDs    int          // node IDs, one packet each, in turn. 0: a new one for each packet
}

// Flood sends messages that nobody can open as fast as a goroutine can, or at a rate, each in the
// name of another node ID. It reads no response. It belongs to one goroutine.
type Flood struct {
	to    netip.AddrPort
	fresh bool // each packet has a new node ID
	conns []*fastpath.Group
	tx    *fastpath.Tx
	slab  []byte // packets of the same size
	size  int
	at    int    // of the next packet in slab
	count uint64 // new node IDs
	turn  int    // socket of the last burst
}

// floodID is where the masked node ID stands in a packet. The mask is a stream cipher, so other
// masked bytes are another ID.
const floodID = codec.IVSize + codec.StaticHeaderSize

// NewFlood opens the sockets of a flood. The error wraps ErrConfig, ErrPublic or ErrNoAddress if c
// cannot be used, and otherwise is that of the system.
func NewFlood(c FloodConfig) (*Flood, error) {
	if err := c.Target.check(c.Public); err != nil {
		return nil, err
	}
	c.Target.Addr = netaddr.NormalizePort(c.Target.Addr)
	if c.IDs < 0 || c.IDs > MaxJunkIDs {
		return nil, fmt.Errorf("%w: flood from %d node IDs, want 0 to %d", ErrConfig, c.IDs, MaxJunkIDs)
	}
	if c.Size < helloSize || c.Size > codec.MaxPacketSize {
		return nil, fmt.Errorf("%w: flood of packets of %d bytes, want %d to %d", ErrConfig, c.Size, helloSize, codec.MaxPacketSize)
	}
	sources := Config{Target: c.Target, Sources: c.Source, Workers: 1}
	if err := sources.sockets(); err != nil {
		return nil, err
	}
	f := &Flood{
		to: c.Target.Addr, fresh: c.IDs == 0, size: c.Size,
		tx: fastpath.NewTx(fastpath.MaxSegments, c.Size),
	}
	for _, a := range sources.Sources {
		g, err := fastpath.Listen(fastpath.Config{Addr: netip.AddrPortFrom(a, 0), RecvBuffer: 4096, SendBuffer: DefaultBuffer})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("socket of a flood: %w", err), f.Close())
		}
		f.conns = append(f.conns, g)
	}
	id := [32]byte(c.Target.ID)
	noise := make([]byte, c.Size-codec.MessageHeaderSize)
	packets := fastpath.MaxSegments
	if c.IDs > 0 {
		packets = c.IDs
	}
	for range packets {
		h := session.Header{Protocol: codec.DefaultProtocol}
		for _, part := range [][]byte{h.IV[:], h.Nonce[:], h.Source[:], noise} {
			_, _ = rand.Read(part) // it never fails
		}
		f.slab = h.AppendUnopenable(f.slab, &id, noise)
	}
	return f, nil
}

// Run sends until ctx ends: rate packets in a second, or for 0 as many as a goroutine can. It
// returns how many packets it has sent, and the error of a socket.
func (f *Flood) Run(ctx context.Context, rate float64) (sent int, err error) {
	for start := time.Now(); ctx.Err() == nil; {
		n := fastpath.MaxSegments
		if rate > 0 {
			if n = min(n, int(rate*time.Since(start).Seconds())-sent); n <= 0 {
				time.Sleep(floodPause)
				continue
			}
		}
		if err := f.burst(n); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// burst sends n packets from one socket: a GSO batch where the system can.
func (f *Flood) burst(n int) error {
	for range n {
		if f.at == len(f.slab) {
			f.at = 0
		}
		packet := f.slab[f.at : f.at+f.size]
		f.at += f.size
		if f.fresh {
			f.count++
			binary.BigEndian.PutUint64(packet[floodID:], f.count)
		}
		f.tx.Commit(copy(f.tx.Buffer(), packet), f.to)
	}
	f.turn = (f.turn + 1) % len(f.conns)
	return f.conns[f.turn].Conns()[0].WriteBatch(f.tx)
}

// Sent returns how many packets the kernel took.
func (f *Flood) Sent() (n uint64) {
	for _, g := range f.conns {
		n += g.Stats().TxDatagrams
	}
	return n
}

// Close closes the sockets.
func (f *Flood) Close() error {
	var errs []error
	for _, g := range f.conns {
		errs = append(errs, g.Close())
	}
	return errors.Join(errs...)
}
