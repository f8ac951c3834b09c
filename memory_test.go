package discv5

import (
	"context"
	"net/netip"
	"runtime"
	"testing"
)

// A program can run many nodes with the defaults: large memory is allocated when it is needed.
func TestNodeMemory(t *testing.T) {
	const nodes = 50
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // finalizers of the first have run
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var list []*Node
	for range nodes {
		cfg := Config{ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}
		patient(&cfg)
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		if err := n.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	// They talk with one another: a node in use, not an empty one.
	for i, n := range list {
		for k := range 8 {
			if _, err := n.Ping(t.Context(), ContactOf(list[(i+1+5*k)%nodes].LocalRecord())); err != nil {
				t.Fatal(err)
			}
		}
	}
	after := heap()
	each := (after - min(before, after)) / nodes
	stats, sockets := list[0].Stats().Sockets, list[0].cfg.Sockets
	t.Logf("%d KiB for each of %d nodes with %d sockets, %d datagrams received by the first", each>>10, nodes, sockets, stats.RxDatagrams)
	limit := uint64(2+sockets) << 20 // each CPU has a socket with its buffers
	if each > limit {
		t.Errorf("%d KiB for each node, want %d at most", each>>10, limit>>10)
	}
	runtime.KeepAlive(list)
}
