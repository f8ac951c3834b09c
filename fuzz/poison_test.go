package fuzz

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/simnet"
)

// poison is what memory is filled with that an engine has given back, or whose batch has ended. It
// is no valid start of anything.
const poison = 0xDB

func fill(b []byte) {
	for i := range b {
		b[i] = poison
	}
}

// lender lends buffers to engines and takes them back poisoned. What was written to meanwhile, or
// comes twice, is found.
type lender struct {
	t      *testing.T
	free   []*loan
	lent   int // since the start
	reused int
	out    int // now
}

type loan struct {
	l    *lender
	b    [codec.MaxPacketSize]byte
	free bool
}

// Get implements engine.Buffers. The buffer that was given back last goes first: whoever still uses
// it meets the next one to.
func (l *lender) Get() engine.Buffer {
	l.lent++
	l.out++
	k := len(l.free)
	if k == 0 {
		return &loan{l: l}
	}
	b := l.free[k-1]
	l.free = l.free[:k-1]
	for i, v := range b.b {
		if v != poison {
			l.t.Fatalf("byte %d of a buffer was written to after its release", i)
		}
	}
	l.reused++
	b.free = false
	return b
}

// Bytes implements engine.Buffer.
func (b *loan) Bytes() []byte { return b.b[:] }

// Release implements engine.Buffer.
func (b *loan) Release() {
	if b.free {
		b.l.t.Fatal("a buffer was released twice")
	}
	b.free = true
	b.l.out--
	fill(b.b[:])
	b.l.free = append(b.l.free, b)
}

// A simulated network in which every buffer that comes back is poisoned and lent again at once
// works as any other: handshakes of all its nodes wait in the same few buffers, through restarts
// and loss.
func TestSimulatorPoisonsBuffers(t *testing.T) {
	nodes := 30
	if testing.Short() {
		nodes = 12
	}
	n := simnet.New(simnet.Config{Seed: 1, Conditions: simnet.Conditions{Loss: 0.02}, InsecureCurve: true, JobTime: time.Millisecond})
	l := &lender{t: t}
	s := n.NewSwarm(simnet.SwarmConfig{
		Nodes: nodes, Churn: 2, Return: 0.5, Downtime: time.Minute, Lookups: 600, Settled: 2 * time.Minute,
		Engine: func(c *engine.Config) { c.Buffers = l },
	})
	if err := s.Join(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(10 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := n.Check(); err != nil {
		t.Error(err)
	}
	if n.CheckSessions(10) == 0 {
		t.Error("no sessions were compared")
	}
	if p := s.Sample(); p.Entries < float64(nodes)/3 || p.Lookups.Ended == 0 || p.Lookups.RecallSettled < 0.9 {
		t.Errorf("%+v", p)
	}
	// A node that crashes takes with it what waits in its queue.
	if l.lent < 5*nodes || l.reused < l.lent/2 || l.out > s.Left*64 {
		t.Errorf("%d buffers lent, %d of them again, %d not given back", l.lent, l.reused, l.out)
	}
}
