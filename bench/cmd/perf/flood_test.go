package main

import "testing"

// Datagrams that others sent meanwhile, as nodes of the table do, never make a negative number of
// drops.
func TestMissing(t *testing.T) {
	for _, c := range [][3]uint64{{100, 60, 40}, {100, 100, 0}, {100, 103, 0}, {0, 0, 0}} {
		if got := missing(c[0], c[1]); got != c[2] {
			t.Errorf("%d of %d arrived: %d are missing, want %d", c[1], c[0], got, c[2])
		}
	}
}
