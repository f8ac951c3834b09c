package interop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fastdisc/discv5"
)

// maxRounds is how often a round runs whose requests time out.
const maxRounds = 3

// patiently runs a round until it ends otherwise than with a timeout, at most maxRounds times. In
// this project and in go-ethereum, a challenge lasts a second, which no setting changes: if the
// machine stands still for that long, the handshake fails and one side waits for an answer in vain.
// If a node does not answer, all rounds fail.
func patiently(t *testing.T, round func() error) (err error) {
	t.Helper()
	for i := range maxRounds {
		if err = round(); !isTimeout(err) {
			return err
		}
		t.Logf("round %d: %v", i+1, err)
	}
	return err
}

// isTimeout reports whether an error of any implementation says that an answer did not come.
func isTimeout(err error) bool {
	return errors.Is(err, discv5.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) ||
		err != nil && strings.Contains(strings.ToLower(err.Error()), "timeout")
}

func TestPatiently(t *testing.T) {
	for _, tt := range []struct {
		err    error
		rounds int
	}{
		{nil, 1}, {errors.New("wrong answer"), 1}, {fmt.Errorf("PING: %w", discv5.ErrTimeout), maxRounds},
		{errors.New("RPC timeout"), maxRounds}, {errors.New("TypeScript: command ping: RPC failure: Timeout"), maxRounds},
	} {
		rounds := 0
		if err := patiently(t, func() error { rounds++; return tt.err }); err != tt.err || rounds != tt.rounds {
			t.Errorf("%v: error %v after %d rounds, want %d", tt.err, err, rounds, tt.rounds)
		}
	}
}
