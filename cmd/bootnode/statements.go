package main

import "strings"

// statement is a piece of a TOML file that can be read alone: a key with its value, or a table's
// header.
type statement struct {
	text string
	line int // of the file, from 1
}

// statements takes a TOML file apart at the ends of lines, but for those inside brackets and long
// strings. The file must be good: no mistake is found here.
func statements(text string) (list []statement) {
	s := splitter{text: text}
	for s.at < len(text) {
		start := s.at
		s.statement()
		piece := strings.TrimSpace(text[start:s.at])
		if piece != "" && piece[0] != '#' {
			list = append(list, statement{piece, 1 + strings.Count(text[:start], "\n")})
		}
	}
	return list
}

type splitter struct {
	text string
	at   int
}

// statement goes to the start of the next one.
func (s *splitter) statement() {
	depth := 0
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '"', '\'':
			s.quoted(c)
			continue
		case '#':
			for s.at < len(s.text) && s.text[s.at] != '\n' {
				s.at++
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '\n':
			if depth == 0 {
				s.at++
				return
			}
		}
		s.at++
	}
}

// quoted goes to the end of a string.
func (s *splitter) quoted(quote byte) {
	long := strings.Repeat(string(quote), 3)
	end := long
	if strings.HasPrefix(s.text[s.at:], long) {
		s.at += len(long)
	} else {
		s.at++
		end = long[:1]
	}
	for s.at < len(s.text) {
		switch {
		case quote == '"' && s.text[s.at] == '\\':
			s.at++ // what is escaped ends nothing
		case strings.HasPrefix(s.text[s.at:], end):
			s.at += len(end)
			for end == long && s.at < len(s.text) && s.text[s.at] == quote {
				s.at++ // a long string may end with quotes of its own
			}
			return
		}
		s.at++
	}
}
