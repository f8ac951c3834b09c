package serve

import (
	"sync/atomic"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
)

// echo receives and sends datagrams of the sizes that the node receives and sends, in batches of
// the same length through the same package, and does nothing in between. No server that exchanges
// these datagrams with the kernel one by one can be cheaper. A node uses GSO and GRO where that is
// possible.
type echo struct {
	group *fastpath.Group
	sizes atomic.Pointer[[]int]
}

func startEcho(spec Spec) (server, error) {
	g, err := fastpath.Listen(fastpath.Config{
		DisableGSO: true, // the floor is that of datagrams one by one
		Addr:       spec.listen(), Batch: fastpath.DefaultBatch, MinSize: codec.MinPacketSize, MaxSize: codec.MaxPacketSize,
		RecvBuffer: fastpath.BusyRecvBuffer, SendBuffer: fastpath.BusySendBuffer,
	})
	if err != nil {
		return nil, err
	}
	e := &echo{group: g}
	e.echo([]int{codec.MaxPacketSize})
	go e.run(g.Conns()[0])
	return e, nil
}

func (e *echo) run(c fastpath.Conn) {
	rx := fastpath.NewRx(fastpath.DefaultBatch, codec.MaxPacketSize)
	tx := fastpath.NewTx(fastpath.DefaultBatch, codec.MaxPacketSize)
	for c.ReadBatch(rx) == nil {
		sizes := *e.sizes.Load()
		for i := range rx.Len() {
			to, local := rx.Addr(i), rx.Local(i)
			for _, n := range sizes {
				if tx.Full() {
					c.WriteBatch(tx)
				}
				tx.CommitFrom(n, to, local)
			}
		}
		c.WriteBatch(tx)
	}
}

func (e *echo) ready() Reply     { return Reply{Addr: e.group.Addr().String()} }
func (e *echo) usage(u *Usage)   { countSocket(u, e.group.Stats()) }
func (e *echo) echo(sizes []int) { e.sizes.Store(&sizes) }
func (e *echo) close()           { e.group.Close() }
