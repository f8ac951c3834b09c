package nat

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Errors. They come wrapped: test with errors.Is.
var (
	ErrSpec    = errors.New("nat: invalid specification")
	ErrOptions = errors.New("nat: invalid options")
	ErrStarted = errors.New("nat: mapper was started before")
	ErrClosed  = errors.New("nat: mapper is closed")
	// no gateway, or it is silent
	ErrNoAnswer = errors.New("nat: no answer")
	// malformed, or not what was asked
	ErrBadAnswer = errors.New("nat: answer makes no sense")
	ErrTooLarge  = errors.New("nat: answer is too large") // also too many
	// description or control URL elsewhere
	ErrWrongGateway = errors.New("nat: answer leads to another host")
	ErrRefused      = errors.New("nat: request was refused")                  // see RefusedError
	ErrNotGlobal    = errors.New("nat: external address is not a global one") // see AddressError
	// below MinLease, or 0
	ErrLease = errors.New("nat: lease is too short")
	// the endpoint is gone
	ErrExpired = errors.New("nat: mapping expired and cannot be renewed")
	// of Transaction.Decode: go on waiting
	ErrNotAnswer = errors.New("nat: datagram is not the awaited answer")
)

// Error says at what a method failed.
type Error struct {
	Method Method
	Op     string // what was being done
	Err    error
}

// Error returns method, operation and cause.
func (e *Error) Error() string { return fmt.Sprintf("nat: %s: %s: %v", e.Method, e.Op, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// RefusedError is the answer of a gateway or server that says no. It is an ErrRefused.
type RefusedError struct {
	Code   int    // UPnP or STUN error code; 0 if the method does not tell
	Reason string // what the other side wrote, shortened, without control characters
}

// Error returns code and reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused with code %d: %s", e.Code, e.Reason)
}

// Is reports whether target is ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// AddressError is about an external address that others cannot reach. It is an ErrNotGlobal.
type AddressError struct{ Addr netip.Addr }

// Error returns the address.
func (e *AddressError) Error() string {
	return fmt.Sprintf("external address %s is not a global one", e.Addr)
}

// Is reports whether target is ErrNotGlobal.
func (e *AddressError) Is(target error) bool { return target == ErrNotGlobal }

func fail(m Method, op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Method: m, Op: op, Err: err}
}

// maxForeign is the length to which text of another host is cut, in bytes.
const maxForeign = 160

// foreign makes text of another host fit for an error message.
func foreign(s string) string {
	if len(s) > maxForeign {
		s = s[:maxForeign] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, s)
}

// bad wraps the text of a library's error. The error itself is left behind: it can hold a whole
// answer.
func bad(err error) error { return fmt.Errorf("%w: %s", ErrBadAnswer, foreign(err.Error())) }
