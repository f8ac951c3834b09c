package document

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// columns is where the text of the document wraps. The template cannot: figures differ in length.
const columns = 100

// item is the mark of a list item, with the spaces around it.
var item = regexp.MustCompile(`^ {0,3}(?:[-*]|\d+\.) +`)

// wrap wraps the paragraphs and list items of a Markdown text. Tables, headings, pictures and code
// blocks keep their lines.
func wrap(text string) string {
	var out []string
	fenced := false
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		if strings.HasPrefix(lines[i], "```") {
			fenced = !fenced
		}
		if fenced || !flows(lines[i]) {
			out = append(out, lines[i])
			i++
			continue
		}
		first := item.FindString(lines[i])
		rest := strings.Repeat(" ", len(first))
		words := fields(nil, lines[i][len(first):])
		for i++; i < len(lines) && flows(lines[i]) && item.FindString(lines[i]) == ""; i++ {
			words = fields(words, lines[i])
		}
		line := first
		for j, word := range words {
			switch n := utf8.RuneCountInString(line) + 1 + utf8.RuneCountInString(word); {
			case j == 0:
				line += word
			case n > columns:
				out = append(out, line)
				line = rest + word
			default:
				line += " " + word
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// fields appends the words of a line to words. A unit or a dash stays with the word before it: at
// the start of a line it would make a list item.
func fields(words []string, line string) []string {
	for _, w := range strings.Fields(line) {
		if len(words) > 0 && (w == "%" || w == "-" || w == "+" || w == "*") {
			words[len(words)-1] += " " + w
		} else {
			words = append(words, w)
		}
	}
	return words
}

// flows reports whether a line belongs to a paragraph or a list item.
func flows(line string) bool {
	s := strings.TrimSpace(line)
	return s != "" && !strings.HasPrefix(line, "    ") && !strings.HasPrefix(s, "```") && !strings.ContainsRune("|#<>!", rune(s[0]))
}
