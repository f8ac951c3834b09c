package statuspage

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fastdisc/discv5/internal/quote"
)

// maxName bounds the names that peers choose, in bytes.
const maxName = 32

// printable returns text of a peer in a form that can be shown: as it is if every character prints,
// and otherwise quoted with escapes, so that control characters, marks that change the direction of
// writing, and invalid UTF-8 are visible. Long text is cut.
func printable(s string) string {
	cut := s
	for len(cut) > maxName {
		_, size := utf8.DecodeLastRuneInString(cut)
		if cut = cut[:len(cut)-size]; len(cut) > 4*maxName {
			cut = cut[:4*maxName]
		}
	}
	for _, r := range cut {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return quote.Short(s)
		}
	}
	if len(cut) < len(s) {
		cut += "…"
	}
	return cut
}

// visible returns text of this program that may quote others, with escapes for what does not print.
func visible(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 || !strconv.IsPrint(r) {
			quoted := strconv.Quote(s[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}
