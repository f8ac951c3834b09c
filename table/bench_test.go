package table

import (
	"math/rand/v2"
	"testing"
	"time"
)

func filled() *Table {
	tab := newTable(nil)
	for d := 241; d <= 256; d++ {
		fill(tab, d, uint32(d-240)*16)
	}
	return tab
}

func TestAllocs(t *testing.T) {
	tab := filled()
	n := node(256, 16*16+3)
	if !state(t, tab, n.ID).Live {
		t.Fatal("not there")
	}
	dst := make([]Node, 0, 64)
	var sink int
	target := idAt(250, 7) // It allocates on some platforms.
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"Relay", func() {
			snap := tab.Relay(256)
			for i := range snap.Len() {
				if snap.MayRelay(i, Global, IPv4) {
					sink += len(snap.Record(i)) + int(snap.ID(i)[0])
				}
			}
		}},
		{"Seq", func() { tab.Seq(n.ID) }},
		{"Get", func() { tab.Get(n.ID) }},
		{"MarkLive", func() { tab.MarkLive(time.Second, n.ID, n.Addr) }},
		{"Add unchanged", func() { tab.Add(time.Second, n) }},
		{"Closest", func() { dst = tab.Closest(target, 16, dst[:0]) }},
		{"Due", func() { dst = tab.Due(time.Hour, dst[:0], 3) }},
	} {
		if got := testing.AllocsPerRun(100, tt.f); got != 0 {
			t.Errorf("%s: %v allocations", tt.name, got)
		}
	}
}

func BenchmarkRelay16(b *testing.B) {
	tab := filled()
	out := make([]byte, 0, 8192)
	b.ReportAllocs()
	for b.Loop() {
		snap := tab.Relay(256)
		out = out[:0]
		for i := range snap.Len() {
			if snap.MayRelay(i, Global, IPv4) {
				out = append(out, snap.Record(i)...)
			}
		}
	}
}

func BenchmarkSeq(b *testing.B) {
	tab := filled()
	known, unknown := node(256, 16*16+8).ID, idAt(256, 1)
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tab.Seq(known)
		}
	})
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tab.Seq(unknown)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				tab.Seq(known)
			}
		})
	})
}

func BenchmarkGet(b *testing.B) {
	tab := filled()
	id := node(256, 16*16+8).ID
	b.ReportAllocs()
	for b.Loop() {
		tab.Get(id)
	}
}

func BenchmarkAdd(b *testing.B) {
	b.Run("known", func(b *testing.B) {
		tab := filled()
		n := node(256, 16*16+8)
		b.ReportAllocs()
		for b.Loop() {
			tab.Add(0, n)
		}
	})
	b.Run("replacement", func(b *testing.B) {
		tab := filled()
		b.ReportAllocs()
		k := uint32(0)
		for b.Loop() {
			k++
			tab.Add(time.Duration(k), node(256, 1000+k%50000))
		}
	})
}

func BenchmarkMarkLive(b *testing.B) {
	tab := filled()
	n := node(256, 16*16+8)
	b.ReportAllocs()
	for b.Loop() {
		tab.MarkLive(0, n.ID, n.Addr)
	}
}

func BenchmarkClosest16(b *testing.B) {
	tab := filled()
	r := rand.New(rand.NewPCG(1, 2))
	target := randomID(r)
	dst := make([]Node, 0, 16)
	b.ReportAllocs()
	for b.Loop() {
		target[0]++
		dst = tab.Closest(target, 16, dst[:0])
	}
}

func BenchmarkDueNothing(b *testing.B) {
	tab := filled()
	for b.Loop() {
		tab.Due(0, nil, 16)
	}
}
