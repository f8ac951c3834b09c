package discv5

import (
	"errors"
	"iter"
	"testing"
	"testing/synctest"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/ranges/rangestest"
)

// Each number of a Config has a range, and New names the field whose number is not in it.
func TestConfigRanges(t *testing.T) {
	rangestest.Run(t, rangestest.Spec[Config]{
		Usable: func() Config { return Config{} }, Validate: Config.Validate, Cause: ErrConfig,
		Negative: []string{"ReachWait", "Topics.Slack", "BucketLimits.", "TableLimits."},
		Any:      []string{"Protocol."},
	})
}

// An option of a call has a range too, and the call fails with an error that names it.
func TestOptionRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a, b := onWire(t, w, 1, nil), onWire(t, w, 2, func(c *Config) { c.Topics.Registrar = true })
		defer a.Close()
		defer b.Close()
		lookup := func(o LookupOption) error { _, err := a.Lookup(t.Context(), b.ID(), o); return err }
		first := func(seq iter.Seq2[*enr.Record, error]) error {
			for _, err := range seq {
				return err
			}
			return nil
		}
		ping := func(o RequestOption) error { _, err := a.Ping(t.Context(), contact(b), o); return err }
		talk := func(o RequestOption) error { _, err := a.Talk(t.Context(), contact(b), "x", nil, o); return err }
		advertise := func(o TopicOption) error {
			_, err := b.AdvertiseTopic(t.Context(), TopicOf("x"), o)
			return err
		}
		for _, tt := range []struct {
			name string
			err  error
		}{
			{"WithAlpha", lookup(WithAlpha(-1))}, {"WithAlpha", lookup(WithAlpha(1 << 40))},
			{"WithResults", lookup(WithResults(-1))}, {"WithResults", lookup(WithResults(97))},
			{"WithPaths", lookup(WithPaths(-1))}, {"WithPaths", lookup(WithPaths(97))},
			{"WithQueryTimeout", lookup(WithQueryTimeout(-1))}, {"WithQueryTimeout", lookup(WithQueryTimeout(1 << 62))},
			{"WithResults", first(a.Search(t.Context(), b.ID(), WithResults(-1)))},
			{"WithResults", first(a.RandomNodes(t.Context(), WithResults(-1)))},
			{"WithTimeout", ping(WithTimeout(-1))}, {"WithTimeout", ping(WithTimeout(1 << 62))},
			{"WithTimeout", talk(WithTimeout(-1))}, {"WithTimeout", talk(WithTimeout(1 << 62))},
			{"WithTopicParallel", advertise(WithTopicParallel(-1))}, {"WithTopicParallel", advertise(WithTopicParallel(1 << 40))},
			{"WithTopicTimeout", advertise(WithTopicTimeout(-1))}, {"WithTopicTimeout", advertise(WithTopicTimeout(1 << 62))},
			{"WithTopicTimeout", first(a.SearchTopic(t.Context(), TopicOf("x"), WithTopicTimeout(-1)))},
		} {
			var e *RangeError
			if !errors.As(tt.err, &e) || !errors.Is(tt.err, ErrConfig) || e.Field != tt.name {
				t.Errorf("%s: %v", tt.name, tt.err)
			}
		}
	})
}
