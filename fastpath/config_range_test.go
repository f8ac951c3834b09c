package fastpath

import (
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/internal/ranges/rangestest"
)

// Each number of a Config has a range.
func TestConfigRanges(t *testing.T) {
	rangestest.Run(t, rangestest.Spec[Config]{
		Usable:   func() Config { return Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")} },
		Validate: func(c Config) error { _, err := c.withDefaults(); return err }, Cause: ErrConfig,
	})
}
