package filter

import (
	"testing"

	"github.com/fastdisc/discv5/internal/ranges/rangestest"
	"github.com/fastdisc/discv5/limits"
)

// Each number of a Config has a range.
func TestConfigRanges(t *testing.T) {
	rangestest.Run(t, rangestest.Spec[Config]{
		Usable:   func() Config { return Config{} },
		Validate: func(c Config) error { _, err := c.withDefaults(); return err }, Cause: ErrConfig,
		Any: []string{"Mode"}, // it has a check and a message of its own
	})
	c := Config{TotalRate: limits.Rate{Burst: 5}}
	if _, err := c.withDefaults(); err == nil {
		t.Error("a burst without a rate is accepted")
	}
}
