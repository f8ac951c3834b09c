package discv5

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/virtual"
)

// batchSize is how many datagrams one system call moves.
const batchSize = fastpath.DefaultBatch

// sender queues the outgoing datagrams of a worker, in one Tx per listen address. Most workers
// use only one.
type sender struct {
	n     *Node
	home  int
	conns []fastpath.Conn
	batch []*fastpath.Tx
}

// newSender returns an sender for a worker that mostly sends from listen address home, through conn
// or, if that is nil, the address's first socket.
func (n *Node) newSender(home int, conn fastpath.Conn) *sender {
	o := &sender{n: n, home: home, conns: make([]fastpath.Conn, len(n.groups)), batch: make([]*fastpath.Tx, len(n.groups))}
	for i, g := range n.groups {
		o.conns[i] = g.Conns()[0]
	}
	if conn != nil {
		o.conns[home] = conn
	}
	o.batch[home] = newTx(n.batch())
	return o
}

func newTx(batch int) *fastpath.Tx { return fastpath.NewTx(batch, codec.MaxPacketSize) }

// Buffer implements engine.PacketWriter.
func (o *sender) Buffer() []byte {
	t := o.batch[o.home]
	if t.Full() {
		o.write(o.home)
	}
	return t.Buffer()
}

// Commit implements engine.PacketWriter.
func (o *sender) Commit(size int, to netip.AddrPort, via engine.Via) {
	at := groupOf(via)
	if at < 0 {
		at = o.home
		if f := netaddr.FamilyOf(to.Addr()); netaddr.FamilyOf(o.conns[at].LocalAddr().Addr()) != f || at != o.n.byFam[f] {
			if at = o.n.byFam[f]; at < 0 {
				return // no request is made for a family that the node does not have
			}
		}
	}
	if at == o.home {
		o.batch[at].CommitFrom(size, to, localOf(via))
		return
	}
	t := o.batch[at]
	if t == nil {
		t = newTx(o.n.batch())
		o.batch[at] = t
	}
	if t.Full() {
		o.write(at)
	}
	copy(t.Buffer(), o.batch[o.home].Buffer()[:size])
	t.CommitFrom(size, to, localOf(via))
}

// flush sends the queued datagrams. Errors of single datagrams are counted by the sockets; the
// socket's own end is seen by its receiver.
func (o *sender) flush() {
	for i, t := range o.batch {
		if t != nil && t.Len() > 0 {
			o.write(i)
		}
	}
}

// write sends the datagrams that are queued for a listen address.
func (o *sender) write(at int) {
	if may := o.n.cfg.MaySend; may != nil && !may() {
		o.n.silenced.Add(uint64(o.batch[at].Len()))
		o.batch[at].Reset()
		return
	}
	if f := o.n.cfg.SourceFilter; f != nil {
		f.Flush() // the answers must pass
	}
	o.conns[at].WriteBatch(o.batch[at])
}

// receiver serves one socket.
type receiver struct {
	n    *Node
	conn fastpath.Conn
	out  *sender
	w    *engine.Worker
	rx   *fastpath.Rx
	via  engine.Via // of the listen address; 0 if each datagram tells it
	// shared says that conn receives for all listen addresses.
	shared bool

	other OtherProtocolHandler
	loop  *loop
}

func (n *Node) newReceiver(group int, conn fastpath.Conn) (*receiver, error) {
	out := n.newSender(group, conn)
	w, err := n.engine.NewWorker(out, viaOf(group))
	if err != nil {
		return nil, errorf("discv5: %w", err)
	}
	size := codec.MaxPacketSize
	if n.cfg.OtherProtocol != nil {
		size = MaxOtherProtocol
	}
	return &receiver{n: n, conn: conn, out: out, w: w, rx: fastpath.NewRx(batchSize, size), via: viaOf(group), other: n.cfg.OtherProtocol}, nil
}

// run receives and answers batches. It reads the clock once per batch.
func (r *receiver) run(l *loop) {
	r.loop = l
	for {
		if err := r.conn.ReadBatch(r.rx); err != nil {
			r.stop(err)
			return
		}
		for i := 0; i < r.rx.Len(); i += batchSize {
			r.serve(i, min(i+batchSize, r.rx.Len()))
		}
	}
}

// serve answers datagrams i to end of the batch that was received. GRO batches make one of many
// times batchSize.
func (r *receiver) serve(i, end int) {
	r.w.Begin(r.n.clock.Now())
	for ; i < end; i++ {
		from, b := r.rx.Addr(i), r.rx.Packet(i)
		via := r.via | viaLocal(r.rx.Local(i))
		if r.shared {
			via |= viaOf(r.rx.Group(i))
		}
		if !r.w.AddVia(via, from, b) && r.other != nil {
			r.n.otherVias.note(from, via)
			r.callOther(from, b)
		}
	}
	r.w.Flush()
	r.out.flush()
}

// callOther calls the handler of datagrams of other protocols.
func (r *receiver) callOther(from netip.AddrPort, b []byte) {
	r.loop.enter()
	defer r.loop.leave()
	r.other.OtherProtocol(from, b)
}

// stop notes why nothing more is received. It is a function of its own because err escapes here,
// and would be allocated for every batch in run.
func (r *receiver) stop(err error) {
	if !errors.Is(err, fastpath.ErrClosed) {
		err = errorf("discv5: receive on %s: %w", r.conn.LocalAddr(), err)
		r.n.failure.CompareAndSwap(nil, &err)
		r.n.log.say(slog.LevelError, "a socket has failed and receives nothing any more", slog.String("err", err.Error()))
	}
}

// workerLoop is a worker outside of the receive path: it runs handshakes, timers, or requests of
// the API.
type workerLoop struct {
	n   *Node
	out *sender
	w   *engine.Worker
}

func (n *Node) newWorkerLoop() (*workerLoop, error) {
	out := n.newSender(0, nil)
	w, err := n.engine.NewWorker(out, 0)
	if err != nil {
		return nil, errorf("discv5: %w", err)
	}
	return &workerLoop{n, out, w}, nil
}

// runTasks does handshakes. After each one its answer is sent, as the peer waits for it.
func (d *workerLoop) runTasks() {
	for {
		select {
		case <-d.n.closing:
			return
		case <-d.n.engine.Wake():
		}
		for {
			d.w.Begin(d.n.clock.Now())
			if !d.w.RunTask() {
				break
			}
			d.out.flush()
			if d.n.state.Load() == stateClosed {
				return
			}
		}
	}
}

// runTicks looks after timeouts and the table.
func (d *workerLoop) runTicks() {
	t := time.NewTicker(virtual.TickInterval)
	defer t.Stop()
	for {
		select {
		case <-d.n.closing:
			return
		case <-t.C:
		}
		d.w.Tick(d.n.clock.Now())
		d.out.flush()
	}
}

// A local address, as the engine keeps it: the number of the listen address, from 1, in the lower
// bits, and where that is a wildcard the number of the address itself in the upper ones.
const (
	viaGroupBits = 5 // maxListen and the zero value have room in it
	viaGroupMask = 1<<viaGroupBits - 1

	_ = uint(1<<(16-viaGroupBits) - 1 - fastpath.MaxLocals) // there is room for all
)

// viaOf returns the Via of a listen address.
func viaOf(group int) engine.Via { return engine.Via(group + 1) }

// viaLocal returns the part of a Via that stands for a local address of a wildcard.
func viaLocal(l fastpath.Local) engine.Via { return engine.Via(l) << viaGroupBits }

// localOf returns the local address of a wildcard that v names, 0 for none.
func localOf(v engine.Via) fastpath.Local { return fastpath.Local(v >> viaGroupBits) }

// groupOf returns the listen address that v belongs to, or -1 if v leaves the choice open.
func groupOf(v engine.Via) int { return int(v&viaGroupMask) - 1 }

// localAddr returns the IP address that v names, if it is known.
func (n *Node) localAddr(v engine.Via) netip.Addr {
	at := groupOf(v)
	if at < 0 || at >= len(n.groups) {
		return netip.Addr{}
	}
	return n.groups[at].LocalAddr(localOf(v))
}
