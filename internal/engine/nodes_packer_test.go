package engine

import (
	"bufio"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// plainPack is a reference implementation of nodesPacker: packets filled in the order of the
// records. It returns their sizes.
func plainPack(records [][]byte) (sizes []int) {
	sizes = []int{0}
	for _, r := range records {
		if sizes[len(sizes)-1]+len(r) > codec.MaxNodesPayload {
			sizes = append(sizes, 0)
		}
		sizes[len(sizes)-1] += len(r)
	}
	return sizes
}

// sends returns the number of kernel entries for packets of these sizes: each entry has packets of
// one size and a last one that may be shorter.
func sends(sizes []int) (n int) {
	for i := 0; i < len(sizes); n++ {
		first := sizes[i]
		for i++; i < len(sizes) && sizes[i] == first; i++ {
		}
		if i < len(sizes) && sizes[i] < first {
			i++
		}
	}
	return n
}

// checkPack holds what must be true of every result, and returns the sizes of its packets.
func checkPack(t *testing.T, records [][]byte) (sizes []int) {
	t.Helper()
	var c nodesPacker
	c.pack(records)
	plain := plainPack(records)
	if c.total < 1 || c.total > len(plain) || int(c.ends[c.total-1]) != len(records) {
		t.Fatalf("%d packets of %d records, want up to %d", c.total, c.ends[max(c.total, 1)-1], len(plain))
	}
	seen := make([]bool, len(records))
	start := uint8(0)
	for _, end := range c.ends[:c.total] {
		if end < start || end == start && len(records) > 0 {
			t.Fatalf("packets end at %v", c.ends[:c.total])
		}
		size := 0
		for _, i := range c.order[start:end] {
			if seen[i] {
				t.Fatalf("record %d is sent twice", i)
			}
			seen[i] = true
			size += len(records[i])
		}
		if size > codec.MaxNodesPayload {
			t.Fatalf("a packet with records of %d bytes", size)
		}
		if n := len(sizes); n > 0 && size > sizes[n-1] {
			t.Fatalf("a packet of %d bytes after one of %d", size, sizes[n-1])
		}
		sizes = append(sizes, size)
		start = end
	}
	if slices.Contains(seen, false) {
		t.Fatal("a record is not sent")
	}
	if len(plain) <= 4 && sends(sizes) > sends(plain) {
		t.Fatalf("%v is sent in more calls than %v", sizes, plain)
	}
	return sizes
}

// ofSizes makes records of the given sizes. The packer ignores their content.
func ofSizes(sizes ...int) (records [][]byte) {
	for _, n := range sizes {
		records = append(records, make([]byte, n))
	}
	return records
}

func TestPack(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
		want  []int // sizes of packets
	}{
		{"none", nil, []int{0}},
		{"one", []int{300}, []int{300}},
		{"one packet", []int{100, 200, 300}, []int{600}},
		{"equal", slices.Repeat([]int{200}, 16), []int{1000, 1000, 1000, 200}},
		{"equal, nothing left", slices.Repeat([]int{200}, 15), []int{1000, 1000, 1000}},
		{"two sizes", slices.Repeat([]int{200, 180}, 8), []int{1160, 1160, 720}},
		{"two packets", []int{300, 100, 300, 300, 300}, []int{1000, 300}},
		{"a single one between", slices.Repeat([]int{190, 173, 190, 173, 185}, 3), []int{1101, 1101, 531}},
		{"all different", []int{300, 299, 298, 297, 296, 295, 294, 293, 292, 291}, []int{1170, 897, 888}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := checkPack(t, ofSizes(c.sizes...)); c.want != nil && !slices.Equal(got, c.want) {
				t.Errorf("packets of %v, want %v", got, c.want)
			}
		})
	}
}

// liveSizes are those of records that were found on the network.
func liveSizes(t testing.TB) (sizes []int) {
	t.Helper()
	f, err := os.Open("../../enr/testdata/live-enrs.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		r, err := enr.ParseText(s.Text())
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(r.Bytes()))
	}
	return sizes
}

// TestPackSends counts the kernel entries of a response with 16 records, in the order of the
// records and as nodesPacker packs them.
func TestPackSends(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	live := liveSizes(t)
	few := func(n int) func() []int {
		return func() (sizes []int) {
			var kinds []int
			for range n {
				kinds = append(kinds, 130+r.IntN(codec.MaxRecordSize-130+1))
			}
			for range maxNodes {
				sizes = append(sizes, kinds[r.IntN(n)])
			}
			return sizes
		}
	}
	for _, c := range []struct {
		name  string
		sizes func() []int
		most  float64 // calls for an answer
	}{
		{"live records", func() []int {
			r.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
			return live[:maxNodes]
		}, 1.3},
		{"equal", few(1), 1},
		{"4 sizes", few(4), 1.4},
		{"8 sizes", few(8), 1.8},
		{"any size", few(1000), 2.2},
	} {
		const n = 3000
		var packets, plain, packed int
		for range n {
			sizes := checkPack(t, ofSizes(c.sizes()...))
			packets += len(sizes)
			packed += sends(sizes)
		}
		for range n {
			plain += sends(plainPack(ofSizes(c.sizes()...)))
		}
		t.Logf("%-12s %.2f packets in %.2f sends, %.2f in the order of records", c.name, float64(packets)/n, float64(packed)/n, float64(plain)/n)
		if float64(packed) > c.most*n {
			t.Errorf("%s: %.2f sends, want %.2f", c.name, float64(packed)/n, c.most)
		}
	}
}

// Any number of records of any sizes.
func TestPackAny(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		var sizes []int
		kinds := 1 + r.IntN(6)
		for range r.IntN(maxNodes + 1) {
			if r.IntN(4) == 0 {
				sizes = append(sizes, 1+r.IntN(codec.MaxRecordSize))
			} else {
				sizes = append(sizes, codec.MaxRecordSize-r.IntN(kinds))
			}
		}
		checkPack(t, ofSizes(sizes...))
	}
}

// sizesWriter notes the sizes of datagrams.
type sizesWriter struct {
	benchWriter
	sizes []int
}

func (o *sizesWriter) Commit(n int, to netip.AddrPort, via Via) {
	o.sizes = append(o.sizes, n)
	o.benchWriter.Commit(n, to, via)
}

// The packets of a response follow one another, and those of equal records have one size, except
// for the last.
func TestFindNodeSizes(t *testing.T) {
	f := newBenchEngine(t, 16)
	out := new(sizesWriter)
	f.w.out = out
	f.give([]request{f.findNode(2, 256), f.findNode(3, 256), f.ping(4)}, 0, 3)
	if len(out.sizes) != 9 {
		t.Fatalf("packets of %v bytes, want twice four and one", out.sizes)
	}
	for i := range 2 {
		if b := out.sizes[4*i:]; b[0] != b[1] || b[1] != b[2] || b[2] < b[3] {
			t.Errorf("packets of %v bytes", b[:4])
		}
	}
}

func BenchmarkPack(b *testing.B) {
	live := liveSizes(b)
	r := rand.New(rand.NewPCG(7, 8))
	r.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	var all [][][]byte
	for i := range len(live) - maxNodes {
		all = append(all, ofSizes(live[i:i+maxNodes]...))
	}
	for name, list := range map[string][][][]byte{"live": all, "equal": {ofSizes(slices.Repeat([]int{230}, maxNodes)...)}, "few": {ofSizes(200, 190, 210)}} {
		b.Run(name, func(b *testing.B) {
			var c nodesPacker
			for i := 0; b.Loop(); i++ {
				c.pack(list[i%len(list)])
			}
		})
	}
}
