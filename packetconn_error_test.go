package discv5

import (
	"net/netip"
	"testing"
)

// A datagram of another protocol that the system does not take is an error of WriteTo, on either
// path.
func TestWriteToTellsFaults(t *testing.T) {
	for _, portable := range []bool{false, true} {
		n := loopback(t, "127.0.0.1:0", func(c *Config) { c.Portable = portable })
		for _, to := range []string{"127.0.0.1:0", "0.0.0.0:0"} { // no port
			before := n.Stats().Sockets.SendErrors.Sum()
			err := n.WriteTo([]byte("another protocol"), netip.MustParseAddrPort(to))
			if dropped := n.Stats().Sockets.SendErrors.Sum() - before; (err != nil) != (dropped > 0) || dropped == 0 {
				t.Errorf("portable %v: to %s: %v, %d dropped", portable, to, err, dropped)
			}
		}
		if err := n.WriteTo([]byte("another protocol"), n.Addrs()[0]); err != nil {
			t.Errorf("portable %v: to itself: %v", portable, err)
		}
	}
}
