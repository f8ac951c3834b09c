package discv5

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
)

// An answer of several packets arrives, whether or not they are handed to the kernel together, and
// come from it together.
func TestAnswerOfSeveralPackets(t *testing.T) {
	for _, c := range []struct {
		name, addr string
		change     func(*Config)
		joined     bool
	}{
		{"IPv4", "127.0.0.1:0", nil, true},
		{"IPv6", "[::1]:0", nil, true},
		{"GSO disabled", "127.0.0.1:0", func(c *Config) { c.DisableGSO = true }, false},
		{"portable sockets", "127.0.0.1:0", func(c *Config) { c.Portable = true }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := loopback(t, c.addr, c.change), loopback(t, c.addr, c.change)
			distances := []uint{0}
			want := map[enr.ID]bool{b.ID(): true}
			for range 12 { // with the node's own record more bytes than fit into a packet
				n := loopback(t, c.addr, nil)
				if _, err := b.Ping(within(t), contact(n)); err != nil {
					t.Fatal(err)
				}
				want[n.ID()] = true
				if d := uint(enr.LogDistance(b.ID(), n.ID())); !slices.Contains(distances, d) {
					distances = append(distances, d)
				}
			}
			eventually(t, "all are live", func() bool { return b.Stats().Live == 12 })
			before, arrived := b.Stats().Sockets, a.Stats().Sockets.RxGRO
			records, err := a.FindNode(within(t), contact(b), distances...)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				delete(want, r.ID())
			}
			if len(want) > 0 {
				t.Errorf("%d of 13 records are missing", len(want))
			}
			info := b.Sockets()[0]
			b.Close() // what is sent counts after the kernel has it, which can be after its arrival
			after := b.Stats().Sockets
			if c.joined && !info.GSO {
				t.Skipf("probed for UDP_SEGMENT: %v", info)
			}
			if n := after.TxGSO - before.TxGSO; c.joined && n == 0 || !c.joined && n != 0 || after.GSORejected != 0 {
				t.Errorf("%d GSO batches, %d rejected: %v", n, after.GSORejected, info)
			}
			if n := a.Stats().Sockets.RxGRO - arrived; c.joined && info.GRO && n == 0 || !c.joined && n != 0 {
				t.Errorf("%d GRO batches arrived: %v", n, info)
			}
		})
	}
}

// A batch of many GRO batches is served in its order, each datagram once.
func TestBatchOfGROBatches(t *testing.T) {
	const batches, each = 6, 60
	first, goOn := make(chan struct{}), make(chan struct{})
	got := make(chan int, 2*batches*each)
	n := loopback(t, "127.0.0.1:0", func(c *Config) {
		c.OtherProtocol = OtherProtocolFunc(func(_ netip.AddrPort, b []byte) {
			if b[1] == batches { // the rest is sent meanwhile
				close(first)
				<-goOn
				return
			}
			select {
			case got <- int(b[1])*each + int(b[2]):
			default: // too many, which shows
			}
		})
	})
	g, err := fastpath.Listen(fastpath.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	tx := fastpath.NewTx(each, 100)
	send := func(batch, count int) {
		for i := range count {
			b := tx.Buffer()
			b[0], b[1], b[2] = 0xff, byte(batch), byte(i)
			tx.Commit(100, n.Addrs()[0])
		}
		g.Conns()[0].WriteBatch(tx)
	}
	send(batches, 1)
	<-first
	for i := range batches {
		send(i, each)
	}
	close(goOn)
	ctx := within(t)
	for want := range batches * each {
		select {
		case k := <-got:
			if k != want {
				t.Fatalf("datagram %d at the place of %d", k, want)
			}
		case <-ctx.Done():
			t.Fatalf("%d datagrams of %d", want, batches*each)
		}
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if len(got) > 0 {
		t.Errorf("%d datagrams too many", len(got))
	}
	if st := n.Stats().Sockets; st.RxGRO > 0 && st.RxBatches != 2 {
		t.Errorf("%d GRO batches in %d batches", st.RxGRO, st.RxBatches)
	}
}
