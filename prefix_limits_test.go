package discv5

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// Sixty nodes behind one public address: the limits by prefix are settable, and off for such a test
// network.
func TestManyNodesAtOneAddress(t *testing.T) {
	const count = 60
	for _, tt := range []struct {
		name        string
		change      func(*Config)
		least, most int // members of the node's table
	}{
		{"default", nil, 1, 10},
		{"wider", func(c *Config) {
			c.BucketLimits, c.TableLimits = PrefixLimits{Host: 12, Site: 12, Wide: 12}, PrefixLimits{Host: 20, Site: 20, Wide: 20}
		}, 15, 20},
		{"off", func(c *Config) { c.BucketLimits, c.TableLimits = NoPrefixLimits, NoPrefixLimits }, 30, count},
	} {
		t.Run(tt.name, func(t *testing.T) {
			longNetwork(t, tt.change == nil)
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				node := func(port int, change func(*Config)) *Node {
					addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, 8, 4, 4}), uint16(port))
					cfg := Config{Conns: []fastpath.Conn{w.Conn(addr)}, MaxSessions: 256, MaxChallenges: 256, RefreshInterval: time.Hour}
					return startNode(t, cfg, change)
				}
				a := node(1000, tt.change)
				for i := range count {
					if _, err := node(2000+i, nil).Ping(t.Context(), contact(a)); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(20 * time.Second)
				if got := a.engine.Table().Len(); got < tt.least || got > tt.most {
					t.Errorf("%d of %d nodes at one address are in the table, want %d to %d", got, count, tt.least, tt.most)
				}
			})
		})
	}
}

func TestParsePrefixLimits(t *testing.T) {
	if l, err := ParsePrefixLimits("3,4,5"); err != nil || l != (PrefixLimits{Host: 3, Site: 4, Wide: 5}) {
		t.Errorf("%v, %v", l, err)
	}
	if _, err := ParsePrefixLimits("3"); !errors.Is(err, prefixquota.ErrLimits) {
		t.Errorf("error %v", err)
	}
}
