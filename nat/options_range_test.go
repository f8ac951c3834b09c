package nat

import (
	"testing"

	"github.com/fastdisc/discv5/internal/ranges/rangestest"
)

// Each number of Options has a range.
func TestOptionsRanges(t *testing.T) {
	rangestest.Run(t, rangestest.Spec[Options]{
		Usable:   func() Options { return Options{Port: 9000, Report: func(Event) {}} },
		Validate: func(o Options) error { _, err := o.withDefaults(Config{}); return err }, Cause: ErrOptions,
	})
}
