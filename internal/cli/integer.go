package cli

import (
	"errors"
	"math/big"
	"strings"

	"github.com/spf13/pflag"
)

// Errors of WhyNoInteger.
var (
	ErrTooLarge  = errors.New("too large")
	ErrTooSmall  = errors.New("too small")
	ErrPortRange = errors.New("want a port from 1 to 65535")
)

// WhyNoInteger returns the reason why an integer flag did not accept a value: ErrTooLarge or
// ErrTooSmall for an integer of more bits than the flag has, or ErrPortRange if the help of the
// flag calls its value a PORT. It returns nil if the flag's own error says enough.
func WhyNoInteger(f *pflag.Flag, value string) error {
	kind := f.Value.Type()
	if !strings.HasPrefix(kind, "int") && !strings.HasPrefix(kind, "uint") {
		return nil
	}
	if name, _ := pflag.UnquoteUsage(f); name == "PORT" {
		return ErrPortRange
	}
	n, ok := new(big.Int).SetString(value, 0)
	switch {
	case !ok || len(value) > maxNameLength || n.Sign() < 0 && strings.HasPrefix(kind, "uint"):
		return nil
	case n.Sign() < 0:
		return ErrTooSmall
	}
	return ErrTooLarge
}
