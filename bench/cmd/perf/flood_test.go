package main

import (
	"slices"
	"testing"

	"github.com/fastdisc/discv5/bench/internal/drive"
	"github.com/fastdisc/discv5/bench/internal/results"
)

// Beside every rate but full speed no packet of junk comes twice in a slice: one whose challenge
// lives is cheaper to answer.
func TestJunkIsNew(t *testing.T) {
	if most := float64(slices.Max(results.JunkRates())) * floodSlice.Seconds(); floodMost < int(most)+drive.MaxBurst {
		t.Errorf("%d packets of junk are made, and a slice takes %.0f", floodMost, most)
	}
}

// What others sent meanwhile, as nodes of the table do, makes no number of drops below none.
func TestMissing(t *testing.T) {
	for _, c := range [][3]uint64{{100, 60, 40}, {100, 100, 0}, {100, 103, 0}, {0, 0, 0}} {
		if got := missing(c[0], c[1]); got != c[2] {
			t.Errorf("%d of %d arrived: %d are missing, want %d", c[1], c[0], got, c[2])
		}
	}
}
