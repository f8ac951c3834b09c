// Package quote puts input into error messages. An input can have a megabyte and control
// characters; a message has neither.
package quote

import (
	"strconv"
	"unicode/utf8"
)

// Max is how many bytes of an input a message quotes.
const Max = 100

// Text returns s in double quotes, with Go's escapes. A quote of more than Max bytes is cut at a
// character and followed by "...".
func Text[T ~string | ~[]byte](s T) string {
	// Bytes behind the first Max cannot appear: each takes at least one byte of the quote.
	text := string(s[:min(len(s), Max+1)])
	quoted := make([]byte, 0, Max+8)
	for rest := text; len(rest) > 0; {
		_, size := utf8.DecodeRuneInString(rest)
		escaped := strconv.Quote(rest[:size])
		escaped = escaped[1 : len(escaped)-1]
		if len(quoted)+len(escaped) > Max {
			return `"` + string(quoted) + `"...`
		}
		quoted = append(quoted, escaped...)
		rest = rest[size:]
	}
	return `"` + string(quoted) + `"`
}

// Cut returns s if it has at most Max bytes, and otherwise its first Max bytes without a broken
// character, followed by "...". It is for text that a library has quoted.
func Cut(s string) string {
	if len(s) <= Max {
		return s
	}
	cut := Max
	for cut > Max-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
