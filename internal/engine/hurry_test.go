package engine

import (
	"fmt"
	"testing"
	"time"
)

// A bootnode that answers and finds no place in the table, as there are others of its network, is
// asked again when the next lookup is due and not at every tick.
func TestBootnodeWithoutPlaceIsNotAskedAllTheTime(t *testing.T) {
	nw := newNetwork(t)
	var boot []Peer
	for i := range 12 {
		boot = append(boot, nw.add(fmt.Sprintf("9.9.9.%d:9000", 1+i), nil).peer())
	}
	a := nw.add("198.51.99.1:9000", func(c *Config) { c.Bootnodes = boot })
	nw.run(time.Minute)
	if n := a.e.table.Len(); n == 0 || n == len(boot) {
		t.Fatalf("%d of %d bootnodes are in the table: this tests nothing", n, len(boot))
	}
	// Lookups follow each other after 2, 4, 8 and 16 s, then each half minute; checks and lookups
	// send something too.
	if n := a.e.Counters()[OutPing]; n > 200 {
		t.Errorf("%d PINGs within a minute", n)
	}
}
