package quote

import "strings"

// Bounds of Line, in bytes. Only input has longer words and quoted texts, not messages and paths.
const (
	longest  = 256
	longLine = 2048
)

// Line returns the text of an error in one line. It truncates input that a library has put into the
// text: a word or a quoted text of more than 256 bytes to Max bytes, and the line to 2,048 bytes.
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
			// White space inside a quoted text becomes one space too.
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

// word returns the length of the first word of s: up to white space outside double quotes. s is not
// empty.
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
	if quoted { // no closing quote: not a quoted text
		if i := strings.IndexAny(s, " \t\r\n"); i >= 0 {
			return i
		}
	}
	return len(s)
}
