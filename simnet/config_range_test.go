package simnet

import (
	"testing"

	"github.com/fastdisc/discv5/internal/ranges/rangestest"
)

// Each number of a configuration has a range, and what takes the configuration checks it.
func TestConfigRanges(t *testing.T) {
	t.Run("network", func(t *testing.T) {
		rangestest.Run(t, rangestest.Spec[Config]{
			Usable: func() Config { return Config{Records: 1} }, Cause: ErrConfig, Negative: []string{"Audit"}, Any: []string{"Seed"},
			Validate: func(c Config) error { _, err := New(c); return err },
		})
	})
	n := must(New(Config{}))
	defer n.Close()
	t.Run("conditions", func(t *testing.T) {
		rangestest.Run(t, rangestest.Spec[Conditions]{Usable: func() Conditions { return Conditions{} }, Validate: n.SetConditions, Cause: ErrConfig})
	})
	t.Run("NAT", func(t *testing.T) {
		rangestest.Run(t, rangestest.Spec[NATConfig]{
			Usable: func() NATConfig { return NATConfig{} }, Cause: ErrConfig,
			Validate: func(c NATConfig) error { _, err := n.NewNAT(c); return err },
		})
	})
	t.Run("node", func(t *testing.T) {
		rangestest.Run(t, rangestest.Spec[NodeConfig]{
			Usable: func() NodeConfig { return NodeConfig{} }, Cause: ErrConfig, Negative: []string{"Tuning.Replacements"},
			Validate: func(c NodeConfig) error { _, err := n.Add(c); return err },
		})
	})
	t.Run("swarm", func(t *testing.T) {
		rangestest.Run(t, rangestest.Spec[SwarmConfig]{
			Usable: func() SwarmConfig { return SwarmConfig{} }, Cause: ErrConfig, Negative: []string{"Tuning.Replacements"},
			Validate: func(c SwarmConfig) error { _, err := n.NewSwarm(c); return err },
		})
	})
}
