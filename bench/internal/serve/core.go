package serve

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/load"
	"github.com/fastdisc/discv5/internal/monotime"
	"github.com/fastdisc/discv5/internal/session"
)

// core is the packet path of a node, the same sockets, batches and engine, without the node around
// them, so that sessions can be put into the map that no handshake made. It answers; it makes no
// requests and no handshakes.
type core struct {
	group *fastpath.Group
	e     *engine.Engine
	clock monotime.Clock
	key   *enr.PrivateKey
	wg    sync.WaitGroup
}

func startCore(spec Spec) (server, error) {
	key, err := enr.ParsePrivateKeyHex(spec.Key)
	if err != nil {
		return nil, err
	}
	g, err := fastpath.Listen(fastpath.Config{
		Addr: spec.listen(), Sockets: max(spec.Workers, 1), Batch: fastpath.DefaultBatch, MinSize: codec.MinPacketSize, MaxSize: codec.MaxPacketSize,
		RecvBuffer: fastpath.BusyRecvBuffer, SendBuffer: fastpath.BusySendBuffer, DisableGSO: spec.Single,
	})
	if err != nil {
		return nil, err
	}
	c := &core{group: g, clock: monotime.NewClock(), key: key}
	if err := c.start(spec); err != nil {
		g.Close()
		return nil, err
	}
	return c, nil
}

func (c *core) start(spec Spec) error {
	addr := c.group.Addr()
	rec, err := enr.NewBuilder().SetIP(addr.Addr()).SetUDP(addr.Port()).Sign(c.key)
	if err != nil {
		return err
	}
	c.e, err = engine.New(engine.Config{
		Key: c.key, Record: rec, IPv4: true, Random: rand.Reader,
		Session: session.Config{MaxSessions: spec.Sessions, MaxChallenges: spec.Challenges},
	})
	if err != nil {
		return err
	}
	for _, conn := range c.group.Conns() {
		out := &coreWriter{conn, fastpath.NewTx(fastpath.DefaultBatch, codec.MaxPacketSize)}
		w, err := c.e.NewWorker(out, 1)
		if err != nil {
			return err
		}
		c.wg.Go(func() { c.receive(conn, out, w) })
	}
	return nil
}

// receive is the loop of a node's receiver.
func (c *core) receive(conn fastpath.Conn, out *coreWriter, w *engine.Worker) {
	rx := fastpath.NewRx(fastpath.DefaultBatch, codec.MaxPacketSize)
	for conn.ReadBatch(rx) == nil {
		for i := 0; i < rx.Len(); i += fastpath.DefaultBatch { // GRO makes larger batches
			w.Begin(c.clock.Now())
			for k := i; k < min(i+fastpath.DefaultBatch, rx.Len()); k++ {
				w.Add(rx.Addr(k), rx.Packet(k))
			}
			w.Flush()
			if out.tx.Len() > 0 {
				conn.WriteBatch(out.tx)
			}
		}
	}
}

// coreWriter implements engine.PacketWriter.
type coreWriter struct {
	conn fastpath.Conn
	tx   *fastpath.Tx
}

func (o *coreWriter) Buffer() []byte {
	if o.tx.Full() {
		o.conn.WriteBatch(o.tx)
	}
	return o.tx.Buffer()
}

func (o *coreWriter) Commit(n int, to netip.AddrPort, _ engine.Via) { o.tx.Commit(n, to) }

// inject puts sessions into the map in the way in which a handshake of the node's own does:
// offered, then answered.
func (c *core) inject(cmd Command) error {
	from, err := netip.ParseAddrPort(cmd.From)
	if err != nil {
		return err
	}
	m := c.e.Sessions()
	for i := range cmd.Count {
		id, read, write := load.SeededSession(cmd.Seed, i)
		k, now := session.MakeKey(from, &id), c.clock.Now()
		h, keys := m.Hash(&k), session.NewKeys(&read, &write)
		// as shown in a handshake: the PINGs of the load generator name it
		keys.SetRecordSeq(1)
		if !m.Offer(now, &k, h, keys, now+time.Hour) || !m.Promote(now, &k, h, keys) {
			return fmt.Errorf("session %d: no room", i)
		}
	}
	if st := m.Stats(); st.Sessions != cmd.Count {
		return errors.New("sessions were evicted: the map is too small")
	}
	return nil
}

func (c *core) ready() Reply {
	return Reply{Addr: c.group.Addr().String(), Records: []string{c.e.Record().View().String()}}
}

func (c *core) usage(u *Usage) {
	countSocket(u, c.group.Stats())
	u.Sessions = c.e.Sessions().Stats().Sessions
}

func (c *core) echo([]int) {}

func (c *core) close() {
	c.group.Close()
	c.wg.Wait()
}
