package eclipse

import (
	"testing"
	"time"
)

func TestX(t *testing.T) {
	for _, o := range []Order{Before} {
		for _, k := range []int{16, 64} {
			for _, r := range []Rules{Ours} {
				b := time.Now()
				res := Run(Config{Rules: r, Prefixes: k, Order: o, Nodes: 300, Seed: 1})
				t.Logf("%v %d %v: %+v %v", o, k, r, res, time.Since(b))
			}
		}
	}
}
