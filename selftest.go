package discv5

import (
	"errors"
	"fmt"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/internal/curve"
)

// Errors of New that concern the cryptography.
var (
	// ErrSelfTest means that the arithmetic of this machine or build gives wrong results. No node
	// runs there.
	ErrSelfTest = errors.New("discv5: the cryptography computes wrong results")

	// ErrFIPS means that the program runs under GODEBUG=fips140=only, which forbids what the
	// protocol consists of.
	ErrFIPS = aead.ErrFIPS
)

// selfTests are the known-answer tests that New waits for. Each runs once in a process, in some
// hundred microseconds. Tests replace them.
var selfTests = []func() error{curve.SelfTest, aead.SelfTest}

// selfTest returns the first error of selfTests.
func selfTest() error {
	for _, test := range selfTests {
		err := test()
		switch {
		case errors.Is(err, ErrFIPS):
			return errorf("discv5: %w", err)
		case err != nil:
			return fmt.Errorf("%w: %w", ErrSelfTest, err)
		}
	}
	return nil
}
