package serve

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/bench/internal/drive"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

const testKey = "00000000000000000000000000000000000000000000000000000000000001c8"

// dial makes a client of a server in this process.
func dial(t *testing.T, s server) *drive.Client {
	t.Helper()
	rec, err := enr.ParseText(s.ready().Records[0])
	if err != nil {
		t.Fatal(err)
	}
	addr, ok := rec.UDPEndpoint4()
	if !ok {
		t.Fatalf("no endpoint in %v", rec)
	}
	socket, err := drive.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	c, err := drive.NewClient(socket, rec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Sessions that were put in answer like others; whoever has none is challenged.
func TestCore(t *testing.T) {
	s, err := startCore(Spec{Key: testKey, Sessions: 1024, Challenges: 1 << 14})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	c := dial(t, s)
	const n = 300
	if err := s.(*core).inject(Command{Seed: 7, Count: n, From: c.Local().String()}); err != nil {
		t.Fatal(err)
	}
	var u Usage
	if s.usage(&u); u.Sessions != n {
		t.Errorf("%d sessions, want %d", u.Sessions, n)
	}
	list := drive.MadeSessions(7, n)
	for _, i := range []int{0, n - 1} {
		a, err := c.Ask(&list[i], drive.Ping(1))
		if err != nil || a.Type != codec.TypePong {
			t.Errorf("session %d: %+v, %v", i, a, err)
		}
	}
	other := drive.Made(8, 0)
	if a, err := c.Ask(&other, drive.Ping(1)); err == nil {
		t.Errorf("a session of another seed is answered: %+v", a)
	}
	a, err := c.Ask(&list[0], drive.Ping(1))
	if err != nil {
		t.Fatal(err)
	}
	// All datagrams of a mixture are answered, the strangers' by WHOAREYOU.
	for _, percent := range []int{0, 30, 100} {
		r := c.Mixed(list, drive.Ping, percent, 1000)
		o, err := c.Loop(r, drive.Plan{Window: 64, Burst: 16, For: 20 * time.Second, Most: 1000, Answers: a.Sizes, Either: []int{codec.WhoareyouSize}})
		if err != nil || o.Answered != 1000 || o.Lost != 0 {
			t.Errorf("%d %% junk: %+v, %v", percent, o, err)
		}
	}
	if err := s.(*core).inject(Command{Seed: 9, Count: 5000, From: c.Local().String()}); err == nil {
		t.Error("more sessions than there is room for, without an error")
	}
}

// Handshakes one by one and several at a time make sessions with a whole node.
func TestShake(t *testing.T) {
	s, err := startNode(Spec{Key: testKey, Sessions: 1024, Challenges: 1024})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	c := dial(t, s)
	c.Handshakes = 4
	ids, err := drive.Identities(10)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := c.Shake(ids[:9]); err != nil || made != 9 {
		t.Errorf("%d of 9 handshakes, %v", made, err)
	}
	if d, err := c.Lone(ids[9]); err != nil || d <= 0 {
		t.Errorf("lone handshake: %v, %v", d, err)
	}
	var u Usage
	if s.usage(&u); u.Sessions != 10 {
		t.Errorf("%d sessions, want 10", u.Sessions)
	}
}
