package simnet

import (
	"fmt"
	"os"
	"strconv"
)

// SeedVariable is the environment variable that replaces the seed of networks made by ForTest.
const SeedVariable = "SIMNET_SEED"

// T is what ForTest needs of a *testing.T.
type T interface {
	Helper()                           // marks its caller as a helper
	Name() string                      // of the test
	Failed() bool                      // reports whether it has failed so far
	Errorf(format string, args ...any) // fails it
	Logf(format string, args ...any)   // adds to its log
	Cleanup(func())                    // is called when it ends
}

// ForTest returns a network for a test. When the test ends the audit must have found nothing. A
// test that fails says with which seed it ran and how to run it again. The seed is that of cfg
// unless the environment names another.
func ForTest(t T, cfg Config) *Network {
	t.Helper()
	if s := os.Getenv(SeedVariable); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Errorf("simnet: %s=%q is no number", SeedVariable, s)
		}
		cfg.Seed = seed
	}
	n, err := New(cfg)
	if err != nil {
		t.Errorf("%v", err)
		n, _ = New(Config{Seed: cfg.Seed}) // a T cannot end the test
	}
	t.Cleanup(func() {
		t.Helper()
		n.Close()
		if err := n.Check(); err != nil {
			t.Errorf("%v", err)
			for _, v := range n.audit.first {
				t.Logf("%v", v)
			}
		}
		if t.Failed() {
			t.Logf("%s", rerun(cfg.Seed, t.Name()))
		}
	})
	return n
}

// rerun says how a test is run again with a seed.
func rerun(seed uint64, test string) string {
	return fmt.Sprintf("simnet: the seed was %d; to run it again: %s=%d go test -count=1 -run '^%s$'", seed, SeedVariable, seed, test)
}
