// Package ranges checks the numbers of configurations. Public packages give its error a name of
// their own.
package ranges

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// MaxEntries bounds the tables whose size a configuration sets, and so their memory.
const MaxEntries = 1 << 24

// MaxPeriod bounds the durations of configurations: a year is as good as forever, and no arithmetic
// with it overflows.
const MaxPeriod = 365 * 24 * time.Hour

// Error says that a number of a configuration is out of range. Its text names the field, the value
// and the range.
type Error struct {
	// Field is the name of the field, with those of the structures around it: "Topics.Capacity".
	Field string
	// Value is the value of the field, and Min and Max are the ends of the range, inclusive. All
	// three have the type of the field.
	Value, Min, Max any
	// Otherwise names the values out of the range that are allowed, such as "0 for the default". It
	// may be empty.
	Otherwise string

	cause error
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%v: %s is %v, want %v to %v", e.cause, e.Field, e.Value, e.Min, e.Max)
	if e.Otherwise != "" {
		text += ", or " + e.Otherwise
	}
	return text
}

// Unwrap returns the error of the package for wrong configurations, such as ErrConfig.
func (e *Error) Unwrap() error { return e.cause }

// Check returns an *Error unless v is zero or from low to high. otherwise, which may be empty,
// names zero and what else the caller allows. A NaN is out of every range.
func Check[T cmp.Ordered](cause error, field string, v, low, high T, otherwise string) error {
	var zero T
	if v == zero || v >= low && v <= high {
		return nil
	}
	return &Error{Field: field, Value: v, Min: low, Max: high, Otherwise: otherwise, cause: cause}
}

// Default is what Otherwise says of most fields.
const Default = "0 for the default"

// First returns the first error of a list.
func First(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// Within returns err with the name of a structure before that of its field, and with another cause.
// It returns err as it is unless that is an *Error.
func Within(err error, cause error, structure string) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	inner := *e
	inner.Field, inner.cause = strings.TrimPrefix(structure+"."+e.Field, "."), cause
	return &inner
}

// Numbers calls f with each number in a structure and in the structures inside it, and with the
// name that Error.Field has for it. f may change the number. It is for tests that every field is
// checked.
func Numbers(structure any, f func(field string, v reflect.Value)) {
	numbers(reflect.ValueOf(structure).Elem(), "", f)
}

func numbers(v reflect.Value, prefix string, f func(string, reflect.Value)) {
	for i := range v.NumField() {
		field, name := v.Field(i), prefix+v.Type().Field(i).Name
		switch {
		case !v.Type().Field(i).IsExported():
		case field.Kind() == reflect.Struct:
			numbers(field, name+".", f)
		case field.CanInt() || field.CanFloat():
			f(name, field)
		}
	}
}
