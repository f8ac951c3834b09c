package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/quote"
)

// maxNameLength bounds the names that Nearest compares. A user does not mistype a longer one.
const maxNameLength = 64

// Nearest returns the one of names that the user most likely meant by name, or an empty string. It
// accepts one mistake for each three letters, at most three.
func Nearest(name string, names []string) string {
	if len(name) > maxNameLength {
		return ""
	}
	best, least := "", 1+max(1, min(3, len(name)/3))
	for _, n := range slices.Sorted(slices.Values(names)) {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the optimal string alignment distance: how many letters must be inserted, deleted,
// replaced, or swapped with the next one to turn a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := 1
			if a[i-1] == b[j-1] {
				replace = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// FlagNames returns the names of the flags of f.
func FlagNames(f *pflag.FlagSet) (names []string) {
	f.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// FlagError returns err, an error of f.Parse, with a hint if it is about an unknown flag: at the
// flag that the user most likely meant, or at the second dash that a long name needs. An integer
// that is out of range gets an error that says so: see WhyNoInteger.
func FlagError(err error, f *pflag.FlagSet) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		if why := WhyNoInteger(invalid.GetFlag(), invalid.GetValue()); why != nil {
			return fmt.Errorf("--%s %s: %w", invalid.GetFlag().Name, quote.Short(invalid.GetValue()), why)
		}
		return err
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	// pflag reads -name as the short flags -n -a -m -e.
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		name, _, _ := strings.Cut(letters, "=")
		if len(name) > 1 && f.Lookup(name) != nil {
			return fmt.Errorf("unknown flag -%s; a long name has two dashes: --%s", name, name)
		}
		return fmt.Errorf("unknown flag -%s", letters)
	}
	name := unknown.GetSpecifiedName()
	if near := Nearest(name, FlagNames(f)); near != "" {
		return fmt.Errorf("unknown flag --%s; did you mean --%s?", name, near)
	}
	return fmt.Errorf("unknown flag --%s", name)
}
