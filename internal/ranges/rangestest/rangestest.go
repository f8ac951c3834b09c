// Package rangestest tests that a package checks each number of its configurations.
package rangestest

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/ranges"
)

// Spec says how a package checks a structure.
type Spec[C any] struct {
	// Usable returns a configuration that Validate accepts.
	Usable func() C
	// Validate is the check.
	Validate func(C) error
	// Cause is the error that those of Validate wrap.
	Cause error
	// Negative are the fields in which a negative number has a meaning of its own.
	Negative []string
	// Any are the fields in which every number has a meaning, such as seeds.
	Any []string
}

// Run puts numbers that no field can mean into each field of C, one at a time, and checks that
// Validate names the field, the number and the range, and that it accepts zero.
func Run[C any](t *testing.T, s Spec[C]) {
	t.Helper()
	base := s.Usable()
	if err := s.Validate(base); err != nil {
		t.Fatalf("the usable configuration: %v", err)
	}
	has := func(list []string, field string) bool {
		for _, entry := range list {
			if field == entry || strings.HasSuffix(entry, ".") && strings.HasPrefix(field, entry) {
				return true
			}
		}
		return false
	}
	fields := 0
	ranges.Numbers(&base, func(field string, v reflect.Value) {
		if has(s.Any, field) {
			return
		}
		fields++
		check := func(name string, set func(reflect.Value), refused bool) {
			t.Run(field+"/"+name, func(t *testing.T) {
				c := s.Usable()
				var is any
				ranges.Numbers(&c, func(f string, v reflect.Value) {
					if f == field {
						set(v)
						is = v.Interface()
					}
				})
				err := s.Validate(c)
				if !refused {
					if err != nil {
						t.Errorf("%v: %v", is, err)
					}
					return
				}
				var e *ranges.Error
				if !errors.As(err, &e) || !errors.Is(err, s.Cause) {
					t.Fatalf("%v: %v, want a RangeError with %v", is, err, s.Cause)
				}
				if e.Field != field || e.Min == nil || e.Max == nil || !strings.Contains(err.Error(), field+" is ") || !strings.Contains(err.Error(), ", want ") {
					t.Errorf("%v: field %q, %v to %v: %v", is, e.Field, e.Min, e.Max, err)
				}
				if f, ok := is.(float64); (!ok || !math.IsNaN(f)) && reflect.ValueOf(e.Value).Convert(reflect.TypeOf(is)).Interface() != is {
					t.Errorf("value %v, want %v", e.Value, is)
				}
			})
		}
		set := func(n float64) func(reflect.Value) {
			return func(v reflect.Value) {
				switch {
				case v.CanFloat():
					v.SetFloat(n)
				case n > 0:
					v.SetInt(math.MaxInt64 >> (64 - v.Type().Bits()))
				case n < 0:
					v.SetInt(math.MinInt64 >> (64 - v.Type().Bits()))
				default:
					v.SetInt(0)
				}
			}
		}
		check("huge", set(1e300), true)
		check("negative", set(-1e300), !has(s.Negative, field))
		check("zero", set(0), false)
		if v.CanFloat() {
			check("not a number", set(math.NaN()), true)
		}
	})
	if fields == 0 {
		t.Error("no field is a number")
	}
}
