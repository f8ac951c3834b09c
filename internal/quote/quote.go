// Package quote puts input into error messages. An input can have a megabyte and control
// characters; a message has neither.
package quote

import (
	"strconv"
	"unicode/utf8"
)

// Max is how many bytes of an input a message quotes.
const Max = 100

// shortMax is how many bytes Short quotes: little enough that nobody can use what is a private key.
const shortMax = 24

// Text returns s in double quotes, with Go's escapes. A quote of more than Max bytes is cut at a
// character and followed by "...".
func Text[T ~string | ~[]byte](s T) string { return text(s, Max) }

// Short is Text with at most 24 bytes, for an argument or a setting that could be a secret in the
// wrong place.
func Short[T ~string | ~[]byte](s T) string { return text(s, shortMax) }

func text[T ~string | ~[]byte](s T, most int) string {
	// Bytes behind the first most cannot appear: each takes at least one byte of the quote.
	text := string(s[:min(len(s), most+1)])
	quoted := make([]byte, 0, most+8)
	for rest := text; len(rest) > 0; {
		_, size := utf8.DecodeRuneInString(rest)
		escaped := strconv.Quote(rest[:size])
		escaped = escaped[1 : len(escaped)-1]
		if len(quoted)+len(escaped) > most {
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
