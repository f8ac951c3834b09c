package simnet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
)

// echo is a NodeConfig.New for nodes that answer TALK requests with what they got, after a PING of
// the sender: their handler waits.
func echo(cfg discv5.Config) (*discv5.Node, error) {
	node, err := discv5.New(cfg)
	if err != nil {
		return nil, err
	}
	node.HandleTalk("echo", func(ctx context.Context, r discv5.TalkRequest) []byte {
		if _, err := node.Ping(ctx, r.Contact()); err != nil {
			return []byte(err.Error())
		}
		return r.Payload
	})
	return node, nil
}

// talks asks every node of a list from its neighbor, each in a goroutine of the program.
func talks(t *testing.T, n *Network, all []*Node, start func(func())) (answers []string) {
	t.Helper()
	var mu sync.Mutex
	left := len(all)
	for i, nd := range all {
		start(func() {
			b, err := nd.Node().Talk(context.Background(), all[(i+1)%len(all)].Contact(), "echo", fmt.Append(nil, i))
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, fmt.Sprintf("%v: %d %s %v", n.Now(), i, b, err))
			left--
		})
	}
	done := n.RunUntil(time.Minute, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return left == 0
	})
	if !done {
		t.Errorf("%d of %d requests have not ended", left, len(all))
	}
	return answers
}

// Goroutines that Go starts call methods that wait, and so do the TALK handlers that answer them:
// one seed gives one order of events, and all of it ends.
func TestGoroutinesAreReproducible(t *testing.T) {
	run := func(seed uint64) ([]string, uint64) {
		n := ForTest(t, Config{Seed: seed, InsecureCurve: true, Conditions: Conditions{Jitter: 100 * time.Millisecond}})
		var all []*Node
		for range 8 {
			all = append(all, addNode(t, n, NodeConfig{New: echo}))
		}
		return talks(t, n, all, n.Go), n.Trace()
	}
	first, trace := run(1)
	again, traceAgain := run(1)
	if fmt.Sprint(first) != fmt.Sprint(again) || trace != traceAgain {
		t.Errorf("one seed, two runs:\n%v\n%v", first, again)
	}
	if other, _ := run(2); fmt.Sprint(first) == fmt.Sprint(other) {
		t.Error("two seeds, one run")
	}
	for _, a := range first {
		var at, nr, payload, err string
		fmt.Sscan(a, &at, &nr, &payload, &err)
		if payload != nr || err != "<nil>" {
			t.Error(a)
		}
	}
}

// More goroutines wait than are looked at after each event: all of them continue, also one whose
// context another one ends.
func TestManyGoroutines(t *testing.T) {
	n := ForTest(t, Config{Seed: 4, InsecureCurve: true, Audit: -1})
	var all []*Node
	for range 2 * fewParked {
		all = append(all, add(t, n))
	}
	const rounds = 5
	answers, pauses := 0, 0
	for i, nd := range all {
		n.Go(func() {
			for range rounds {
				if r := nd.ping(all[(i+1)%len(all)]); r.Err != nil {
					t.Errorf("node %d: %v", i, r.Err)
				}
				answers++
				n.Run(time.Second)
				pauses++
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended error
	n.SetFilter(func(d Datagram) bool { return d.From != all[0].Addr() || n.Now() < time.Minute })
	n.At(time.Minute, func() {
		n.Go(func() {
			_, ended = all[0].Node().Ping(ctx, all[1].Contact()) // nobody answers
		})
		n.Go(func() {
			n.Run(300 * time.Millisecond)
			cancel()
		})
	})
	n.Run(61 * time.Second)
	if !errors.Is(ended, context.Canceled) {
		t.Errorf("a PING that was canceled: %v", ended)
	}
	if answers != rounds*len(all) || pauses != answers {
		t.Errorf("%d answers and %d pauses, want %d", answers, pauses, rounds*len(all))
	}
}

// Iterators of the library work in a test, and in goroutines of Go, also where iter.Pull has
// another goroutine run them, or Mix several.
func TestIterators(t *testing.T) {
	const wanted = 60 // more than the node's own table has, so that time has to pass
	n := ForTest(t, Config{Seed: 3, InsecureCurve: true})
	all := swarmOf(t, n, 12, NodeConfig{engine: calm})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pull := func(seq iter.Seq2[*enr.Record, error]) (k int) {
		next, stop := iter.Pull2(seq)
		defer stop()
		for k < wanted {
			if _, err, ok := next(); !ok || err != nil {
				t.Errorf("after %d records: %v, %v", k, ok, err)
				return k
			}
			k++
		}
		return k
	}
	if k := pull(all[3].Node().RandomNodes(ctx)); k != wanted {
		t.Errorf("%d records in the test", k)
	}
	got := 0
	for range 3 {
		n.Go(func() { got += pull(all[4].Node().RandomNodes(ctx)) })
	}
	if !n.RunUntil(time.Minute, func() bool { return got == 3*wanted }) {
		t.Errorf("%d records in goroutines of Go", got)
	}
	got = 0
	for _, err := range discv5.Mix(-1, all[5].Node().RandomNodes(ctx), all[6].Node().RandomNodes(ctx)) {
		if err != nil {
			t.Fatal(err)
		}
		if got++; got == wanted {
			break
		}
	}
	cancel()
}

// In a bubble of testing/synctest the program has goroutines, timers and contexts as it likes.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := ForTest(t, Config{Seed: 1, InsecureCurve: true, Conditions: Conditions{Loss: 0.02}})
		stop := n.Live()
		defer stop()
		var all []*Node
		for range 8 {
			all = append(all, addNode(t, n, NodeConfig{New: echo, Bootnodes: all}))
		}
		began := time.Now()
		var wg sync.WaitGroup
		talks(t, n, all, func(f func()) { wg.Go(f) })
		wg.Wait()
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
		time.Sleep(5 * time.Minute)
		for i, nd := range all {
			if k := nd.Node().Stats().Live; k < 5 {
				t.Errorf("node %d knows %d nodes", i, k)
			}
		}
		// A deadline of the system's clock is one of the network's now.
		all[3].Crash()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began = time.Now()
		_, err := all[4].Node().Ping(ctx, all[3].Contact())
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 300*time.Millisecond {
			t.Errorf("PING to a node that is down: %v after %v", err, took)
		}
		if err := all[3].Restart(true); err != nil {
			t.Fatal(err)
		}
		if _, err := all[4].Node().Resolve(t.Context(), all[3].ID()); err != nil {
			t.Errorf("after a restart: %v", err)
		}
		events := all[5].Node().Subscribe(16, discv5.EventSession)
		all[6].Crash()
		if err := all[6].Restart(false); err != nil {
			t.Fatal(err)
		}
		select {
		case <-events.C:
		case <-time.After(10 * time.Minute):
			t.Error("no session in ten minutes")
		}
		if err := n.Check(); err != nil {
			t.Error(err)
		}
	})
}

// Contexts that end on the network's clock, or that have ended, end the wait; so does Close.
func TestWaitEnds(t *testing.T) {
	n := ForTest(t, Config{Seed: 2})
	a, b := add(t, n), add(t, n)
	b.Crash()
	for _, c := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
		want error
		took time.Duration
	}{
		{"WithTimeout", func() (context.Context, context.CancelFunc) {
			return n.WithTimeout(context.Background(), 200*time.Millisecond)
		}, context.DeadlineExceeded, 200 * time.Millisecond},
		{"canceled before", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		}, context.Canceled, 0},
		{"canceled by an event", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			n.After(time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled, time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := c.ctx()
			defer cancel()
			began := n.Now()
			_, err := a.Node().Ping(ctx, b.Contact())
			if !errors.Is(err, c.want) || n.Now()-began != c.took {
				t.Errorf("%v after %v, want %v after %v", err, n.Now()-began, c.want, c.took)
			}
		})
	}
	n.After(100*time.Millisecond, func() { a.Crash() })
	if _, err := a.Node().Ping(context.Background(), b.Contact()); !errors.Is(err, discv5.ErrClosed) {
		t.Errorf("PING of a node that is closed meanwhile: %v", err)
	}
}

// A change of the record reaches the neighbors within seconds, as it does on sockets, although
// nodes are ticked only when something is due.
func TestRecordUpdateSpreads(t *testing.T) {
	n := ForTest(t, Config{Seed: 5, InsecureCurve: true})
	all := swarmOf(t, n, 8, NodeConfig{engine: func(c *engine.Config) {
		c.RefreshInterval, c.Table.RevalidateFast, c.Table.RevalidateSlow = time.Hour, time.Hour, time.Hour
	}})
	nd := all[3]
	n.Run(20 * time.Minute)
	if err := nd.Node().UpdateRecord(func(b *enr.Builder) { b.SetString("k", "v") }); err != nil {
		t.Fatal(err)
	}
	n.Run(5 * time.Second)
	know := 0
	for _, o := range all {
		if k, ok := o.Node().Known(nd.ID()); ok && k.Record.Seq() == nd.Record().Seq() {
			know++
		}
	}
	if know < 5 {
		t.Errorf("%d nodes have the new record after 5 seconds", know)
	}
}

// A Conn works without a node: it keeps what arrives, sends, and knows deadlines and its end.
func TestConn(t *testing.T) {
	n := ForTest(t, Config{Seed: 3})
	nd := addNode(t, n, NodeConfig{})
	if err := nd.Node().Close(); err != nil {
		t.Fatal(err)
	}
	m := nd.newMachine() // a machine on which no node has been started
	nd.machine.Store(m)
	var conn fastpath.Conn = m.conns[0]
	p := newProbe(t, n, SocketConfig{})
	rx, tx := fastpath.NewRx(4, 1280), fastpath.NewTx(4, 1280)
	for range 3 {
		p.Send(conn.LocalAddr(), []byte("in"))
	}
	if err := conn.ReadBatch(rx); err != nil || string(rx.Packet(0)) != "in" || rx.Addr(0) != p.Addr() {
		t.Fatalf("%d datagrams, %v", rx.Len(), err)
	}
	tx.Commit(copy(tx.Buffer(), "out"), p.Addr())
	tx.Commit(copy(tx.Buffer(), "out"), netip.MustParseAddrPort("[2a00::1]:9"))
	if err := conn.WriteBatch(tx); err != nil {
		t.Fatal(err)
	}
	n.Run(time.Second)
	st := conn.Stats()
	if p.text != "out" || st.TxDatagrams != 1 || st.SendErrors.Family != 1 || st.RxDatagrams == 0 {
		t.Errorf("%q arrived, %+v", p.text, st)
	}
	for rx.Len() > 0 { // what is left
		conn.SetReadDeadline(n.wall().Add(time.Second))
		if err := conn.ReadBatch(rx); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	if err := conn.ReadBatch(rx); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	conn.SetReadDeadline(time.Time{})
	n.After(time.Second, func() { conn.Close() })
	if err := conn.ReadBatch(rx); !errors.Is(err, fastpath.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Sockets and Conns of other machines do not go together with a Conn of a machine.
func TestMixedConns(t *testing.T) {
	n := ForTest(t, Config{Seed: 4})
	var other fastpath.Conn
	a := addNode(t, n, NodeConfig{Config: func(c *discv5.Config) { other = c.Conns[0] }})
	for _, c := range []struct {
		name   string
		change func(*discv5.Config)
	}{
		{"another machine", func(c *discv5.Config) { c.Conns = append(c.Conns, other) }},
		{"a listen address", func(c *discv5.Config) { c.ListenAddrs = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := n.Add(NodeConfig{Config: c.change}); !errors.Is(err, discv5.ErrConfig) {
				t.Errorf("%v, want %v", err, discv5.ErrConfig)
			}
		})
	}
	if !a.Running() {
		t.Error("the other machine's node was touched")
	}
}
