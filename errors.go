package discv5

import (
	"fmt"
	"strings"
)

// callError is the error of a call. Its text names the package once, although the errors that it
// wraps name it too.
type callError struct{ err error }

// Error implements error.
func (e *callError) Error() string {
	const name = ": discv5: "
	text := ": " + e.err.Error()
	for strings.Contains(text, name) {
		text = strings.ReplaceAll(text, name, ": ")
	}
	return "discv5" + text
}

// Unwrap returns the error that says what was being done, which wraps the cause.
func (e *callError) Unwrap() error { return e.err }

// errorf is fmt.Errorf for errors that wrap others of this package.
func errorf(format string, args ...any) error { return &callError{fmt.Errorf(format, args...)} }
