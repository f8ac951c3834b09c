package quote

import "strings"

// Bounds of Line: longer words and quoted texts come of an input, and not of a message or a path.
const (
	longest  = 256
	longLine = 2048
)

// Line returns the text of an error in one line. Input that a library has put into it without a
// bound is cut: a quoted text or a word of more than 256 bytes to its first Max, and the whole to
// 2,048 bytes.
func Line(text string) string {
	var b strings.Builder
	for len(text) > 0 && b.Len() < longLine {
		text = strings.TrimLeft(text, " \t\r\n")
		if len(text) == 0 {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		n := word(text)
		if n > longest {
			b.WriteString(Cut(text[:n]))
		} else {
			// Inside of a quoted text white space is one space too.
			b.WriteString(strings.Join(strings.Fields(text[:n]), " "))
		}
		text = text[n:]
	}
	line := b.String()
	if len(line) > longLine {
		line = line[:longLine] + "..."
	}
	return line
}

// word is the length of the first word of s, which is not empty: up to white space that is not
// inside of double quotes.
func word(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			return i
		}
	}
	if quoted { // a quote without an end is none
		if i := strings.IndexAny(s, " \t\r\n"); i >= 0 {
			return i
		}
	}
	return len(s)
}
