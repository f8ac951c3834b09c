package ranges

import (
	"errors"
	"math"
	"testing"
	"time"
)

var errConfig = errors.New("pkg: invalid configuration")

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"zero", Check(errConfig, "N", 0, 1, 5, Default), ""},
		{"least", Check(errConfig, "N", 1, 1, 5, Default), ""},
		{"most", Check(errConfig, "N", 5, 1, 5, Default), ""},
		{"over", Check(errConfig, "N", 6, 1, 5, Default), "pkg: invalid configuration: N is 6, want 1 to 5, or 0 for the default"},
		{"under", Check(errConfig, "N", -1, 0, 5, ""), "pkg: invalid configuration: N is -1, want 0 to 5"},
		{"duration", Check(errConfig, "T", -time.Second, time.Second, time.Hour, ""), "pkg: invalid configuration: T is -1s, want 1s to 1h0m0s"},
		{"not a number", Check(errConfig, "P", math.NaN(), 0, 1, ""), "pkg: invalid configuration: P is NaN, want 0 to 1"},
		{"within", Within(Check(errConfig, "N", 6, 1, 5, ""), errors.New("outer"), "In"), "outer: In.N is 6, want 1 to 5"},
		{"within another", Within(errConfig, errors.New("outer"), "In"), "pkg: invalid configuration"},
		{"within none", Within(nil, errConfig, "In"), ""},
		{"first", First(nil, Check(errConfig, "A", 9, 1, 5, ""), Check(errConfig, "B", 9, 1, 5, "")), "pkg: invalid configuration: A is 9, want 1 to 5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if tt.err != nil {
				got = tt.err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	err := Check(errConfig, "N", 6, 1, 5, "")
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, errConfig) || e.Field != "N" || e.Value != 6 || e.Min != 1 || e.Max != 5 {
		t.Errorf("got %#v", err)
	}
}
