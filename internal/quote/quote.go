// Package quote puts input into error messages. Input may be a megabyte long and hold control
// characters; a message must not.
package quote

import (
	"strconv"
	"unicode/utf8"
)

// Max is the maximum number of bytes that a message quotes of an input.
const Max = 100

// shortMax is the maximum number of bytes that Short quotes. That much of a private key is of no
// use.
const shortMax = 24

// Text returns s in double quotes, with Go's escapes. It truncates a quote of more than Max bytes
// between two characters and appends "...".
func Text[T ~string | ~[]byte](s T) string { return text(s, Max) }

// Short is Text with at most 24 bytes. It is for arguments and settings, which may be a secret in
// the wrong place.
func Short[T ~string | ~[]byte](s T) string { return text(s, shortMax) }

func text[T ~string | ~[]byte](s T, most int) string {
	// Later bytes cannot appear: each byte takes at least one byte of the quote.
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

// Cut returns s if it has at most Max bytes. Otherwise it truncates s to Max bytes, without an
// incomplete character, and appends "...". It is for text that a library has quoted.
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
