package nat

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Errors. They are wrapped: use errors.Is.
var (
	ErrSpec = errors.New("nat: invalid specification")
	// the Options of a Mapper cannot be used; for a number out of range it is a *RangeError too
	ErrOptions = errors.New("nat: invalid options")
	ErrStarted = errors.New("nat: mapper is already started")
	ErrClosed  = errors.New("nat: mapper is closed")
	// ErrNoAnswer: no gateway, or a silent one.
	ErrNoAnswer = errors.New("nat: no answer")
	// ErrBadAnswer: malformed or unexpected.
	ErrBadAnswer = errors.New("nat: invalid answer")
	ErrTooLarge  = errors.New("nat: answer is too large") // or too many answers
	// ErrWrongGateway: the description or control URL is on another host.
	ErrWrongGateway = errors.New("nat: answer points to another host")
	ErrRefused      = errors.New("nat: request was refused")            // see RefusedError
	ErrNotGlobal    = errors.New("nat: external address is not global") // see AddressError
	// ErrLease: below MinLease, or 0.
	ErrLease = errors.New("nat: lease is too short")
	// ErrExpired: the endpoint is no longer valid.
	ErrExpired = errors.New("nat: mapping expired and cannot be renewed")
)

// errNotAnswer reports a datagram that is not the answer; the caller keeps waiting.
var errNotAnswer = errors.New("nat: datagram is not the expected answer")

// Error reports the operation of a method that failed.
type Error struct {
	Method Method
	Op     string // operation
	Err    error
}

// Error returns the method, the operation and the cause.
func (e *Error) Error() string { return fmt.Sprintf("nat: %s: %s: %v", e.Method, e.Op, e.Err) }

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// RefusedError reports that a gateway or server refused. It is an ErrRefused.
type RefusedError struct {
	Code   int    // UPnP or STUN error code; 0 if the method has none
	Reason string // text of the other side, shortened, without control characters
}

// Error returns the code and the reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused with code %d: %s", e.Code, e.Reason)
}

// Is reports whether target is ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// AddressError reports an external address that is not global. It is an ErrNotGlobal.
type AddressError struct{ Addr netip.Addr }

// Error returns the address.
func (e *AddressError) Error() string {
	return fmt.Sprintf("external address %s is not global", e.Addr)
}

// Is reports whether target is ErrNotGlobal.
func (e *AddressError) Is(target error) bool { return target == ErrNotGlobal }

func fail(m Method, op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Method: m, Op: op, Err: err}
}

// maxPrintable is the longest text of another host in an error message, in bytes.
const maxPrintable = 160

// printable makes text of another host safe for an error message.
func printable(s string) string {
	if len(s) > maxPrintable {
		s = s[:maxPrintable] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, s)
}

// bad wraps the text of a library's error, but not the error itself, which can hold a whole answer.
func bad(err error) error { return fmt.Errorf("%w: %s", ErrBadAnswer, printable(err.Error())) }
