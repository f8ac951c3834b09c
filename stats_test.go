package discv5

import (
	"testing"

	"github.com/fastdisc/discv5/internal/engine"
)

// Every counter is found by the names that its metric has, and no other names find one.
func TestFindCounter(t *testing.T) {
	for c := range NumCounters {
		i := c.Info()
		if got, ok := FindCounter(i.Metric, i.Value); !ok || got.Info() != i {
			t.Errorf("counter %d: found %d, %v by %q and %q", c, got, ok, i.Metric, i.Value)
		}
	}
	if c, ok := FindCounter("dropped_total", "banned_address"); !ok || c != engine.DropBannedAddr {
		t.Errorf("found %d, %v", c, ok)
	}
	for _, names := range [][2]string{{"", ""}, {"dropped_total", ""}, {"dropped_total", "none"}} {
		if c, ok := FindCounter(names[0], names[1]); ok {
			t.Errorf("%q finds counter %d", names, c)
		}
	}
}
