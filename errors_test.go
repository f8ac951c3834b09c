package discv5

import (
	"errors"
	"fmt"
	"testing"
)

// The text of an error names the package once, and the error still wraps its causes.
func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		cause error
		want  string
	}{
		{"one", errorf("discv5: lookup of x: %w", ErrNoNodes), ErrNoNodes, "discv5: lookup of x: no node is known and no bootnode can be used"},
		{"two", errorf("discv5: outer: %w", errorf("discv5: inner: %w", ErrBusy)), ErrBusy, "discv5: outer: inner: too many requests under way"},
		{"alone", errorf("discv5: %w", ErrClosed), ErrClosed, "discv5: closed"},
		{"of another package", errorf("discv5: use x: %w", errors.New("enr: bad")), nil, "discv5: use x: enr: bad"},
		{"as a word", errorf("discv5: talk to discv5: %w", fmt.Errorf("protocol discv5: x")), nil, "discv5: talk to discv5: protocol discv5: x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.cause != nil && !errors.Is(tt.err, tt.cause) {
				t.Errorf("%v does not wrap %v", tt.err, tt.cause)
			}
		})
	}
}
