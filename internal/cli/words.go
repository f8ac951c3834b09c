package cli

import "fmt"

// Count returns a number with its noun, in the plural unless n is 1: "1 node", "2 nodes". An
// irregular noun gives its plural too; otherwise the plural is the noun with an s.
func Count[N int | int64 | uint64](n N, noun string, plural ...string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case len(plural) > 0:
		return fmt.Sprintf("%d %s", n, plural[0])
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
