package interop

import (
	"crypto/rand"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	bucketSize    = 16  // entries of a bucket, and results of a lookup
	minBucketDist = 240 // go-ethereum keeps nodes at smaller distances in this bucket
	maxBucketDist = 256
)

// capacity returns how many of the nodes with the given IDs fit in the table of self: the size of a
// table in which nothing but full buckets keeps nodes out.
func capacity(self enode.ID, ids []enode.ID) int {
	var count [maxBucketDist + 1]int
	for _, id := range ids {
		if id != self {
			count[max(enode.LogDist(self, id), minBucketDist)]++
		}
	}
	total := 0
	for _, n := range count {
		total += min(n, bucketSize)
	}
	return total
}

// closest returns the n IDs closest to target, except one.
func closest(target enode.ID, ids []enode.ID, except enode.ID, n int) []enode.ID {
	sorted := slices.DeleteFunc(slices.Clone(ids), func(id enode.ID) bool { return id == except })
	slices.SortFunc(sorted, func(a, b enode.ID) int { return enode.DistCmp(target, a, b) })
	return sorted[:min(n, len(sorted))]
}

// recall returns the fraction of want among the nodes found.
func recall(want []enode.ID, found []*enode.Node) float64 {
	hits := 0
	for _, id := range want {
		if slices.ContainsFunc(found, func(n *enode.Node) bool { return n.ID() == id }) {
			hits++
		}
	}
	return float64(hits) / float64(len(want))
}

func randomID() (id enode.ID) {
	rand.Read(id[:])
	return id
}

func TestCapacity(t *testing.T) {
	var self enode.ID
	var ids []enode.ID
	at := func(firstByte, n byte) { // n nodes whose ID starts with firstByte
		for i := byte(0); i < n; i++ {
			ids = append(ids, enode.ID{0: firstByte, 31: i + 1})
		}
	}
	at(0x80, 20) // distance 256: 16 of 20 fit
	at(0x40, 5)  // distance 255
	at(0x00, 30) // distances up to 5: 16 of 30 fit in the last bucket
	if got := capacity(self, append(ids, self)); got != 16+5+16 {
		t.Errorf("capacity %d, want %d", got, 16+5+16)
	}
	if got := closest(enode.ID{0: 0x40}, ids, ids[20], 4); !slices.Equal(got, ids[21:25]) {
		t.Errorf("closest: got %v", got)
	}
}
