package topic

import (
	"crypto/rand"
	"testing"

	"github.com/fastdisc/discv5/internal/ranges/rangestest"
)

// Each number of a configuration has a range.
func TestConfigRanges(t *testing.T) {
	t.Run("registrar", func(t *testing.T) {
		rangestest.Run(t, rangestest.Spec[Config]{
			Usable: func() Config { return Config{Random: rand.Reader} }, Validate: Config.Validate, Cause: ErrConfig, Negative: []string{"Slack"},
		})
	})
	t.Run("search", func(t *testing.T) {
		rangestest.Run(t, rangestest.Spec[SearchConfig]{
			Usable: func() SearchConfig { return SearchConfig{} }, Validate: func(c SearchConfig) error { return c.Validate() }, Cause: ErrConfig,
		})
	})
	t.Run("advertiser", func(t *testing.T) {
		rangestest.Run(t, rangestest.Spec[AdvertiserConfig]{
			Usable: func() AdvertiserConfig { return AdvertiserConfig{} }, Validate: func(c AdvertiserConfig) error { return c.Validate() }, Cause: ErrConfig,
		})
	})
}
