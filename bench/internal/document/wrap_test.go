package document

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Paragraphs and list items wrap at 100 columns, and nothing else changes.
func TestWrap(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("datagram ", 20))
	half := strings.TrimSpace(strings.Repeat("datagram ", 11)) // 98 columns
	for _, tt := range []struct{ name, text, want string }{
		{"short", "One line.\n", "One line.\n"},
		{"joined", "One\nline.\n\nAnother.", "One line.\n\nAnother."},
		{"paragraph", long, half + "\n" + strings.TrimPrefix(long, half+" ")},
		{"item", "- " + long + "\n- two", "- " + half + "\n  " + strings.TrimPrefix(long, half+" ") + "\n- two"},
		{"number", "1. one\n   more", "1. one more"},
		{"runes", strings.Repeat("µs ", 33) + "µ", strings.Repeat("µs ", 33) + "µ"},
		{"code span", "`a` is\ncode", "`a` is code"},
		{"unit", half + " 9 % of it", half + "\n9 % of it"},
		{"dash", half + " a - b", half + "\na - b"},
		{"table", "| " + long + " |", "| " + long + " |"},
		{"heading", "# " + long, "# " + long},
		{"picture", "![" + long + "](x)", "![" + long + "](x)"},
		{"block", "    " + long + "\n", "    " + long + "\n"},
		{"fence", "```\n" + long + "\n```\nEnd", "```\n" + long + "\n```\nEnd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := wrap(tt.text); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	for _, line := range strings.Split(wrap(long+"\n\n* "+long), "\n") {
		if n := utf8.RuneCountInString(line); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
