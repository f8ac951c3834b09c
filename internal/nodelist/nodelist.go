// Package nodelist splits lists of nodes as people and programs write them:
//
//	enr:-Iu4Q...                     one entry on a line, or several
//	enode://...@192.0.2.1:9000,enr:...
//	- enr:-Iu4Q...   # a comment     YAML
//	- "enr:-Iu4Q..."
//	["enr:-Iu4Q...", "enr:-Iu4Q..."] JSON
//
// Callers parse the entries.
package nodelist

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// MaxEntry is the maximum size of an entry, in bytes. No record and no URL is longer.
const MaxEntry = 4096

// ErrEntrySize is wrapped by the error about an entry of more than MaxEntry bytes.
var ErrEntrySize = errors.New("entry of more than 4096 bytes")

// Entry is one entry of a list.
type Entry struct {
	Text string // without white space, quotes, and the punctuation of YAML and JSON; not empty
	Line int    // of the text, from 1
}

// Read iterates over the entries of r, which may have any size. White space and commas separate
// entries; a # starts a comment up to the end of its line. The iteration ends with an error that
// names the line if reading fails, or if an entry is longer than MaxEntry; the latter wraps
// ErrEntrySize.
func Read(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		in := bufio.NewReader(r)
		word := make([]byte, 0, MaxEntry)
		line, comment, first := 1, false, true
		// flush yields what word holds.
		flush := func() bool {
			text := entry(string(word), first)
			first = first && len(word) == 0
			word = word[:0]
			return text == "" || yield(Entry{text, line}, nil)
		}
		for {
			c, err := in.ReadByte()
			switch {
			case err == io.EOF:
				flush()
				return
			case err != nil:
				yield(Entry{Line: line}, fmt.Errorf("line %d: %w", line, err))
				return
			case c == '\n':
				if !flush() {
					return
				}
				line++
				comment, first = false, true
			case comment:
			case c == '#':
				comment = true
			case c == ' ' || c == '\t' || c == '\r' || c == ',':
				if !flush() {
					return
				}
			case len(word) == MaxEntry:
				yield(Entry{Line: line}, fmt.Errorf("line %d: %w", line, ErrEntrySize))
				return
			default:
				word = append(word, c)
			}
		}
	}
}

// Split is Read of text.
func Split(text string) iter.Seq2[Entry, error] { return Read(strings.NewReader(text)) }

// entry removes the punctuation of YAML and JSON from a word. first says that the word is the first
// of its line. The result may be empty.
func entry(word string, first bool) string {
	// Some editors put a byte order mark at the start of a file.
	word = strings.TrimPrefix(word, "\ufeff")
	if word == "-" || word == "---" || word == "..." || first && isKey(word) {
		return ""
	}
	word = strings.TrimLeft(word, "[")
	word = strings.TrimRight(word, "]")
	if n := len(word); n >= 2 && (word[0] == '"' || word[0] == '\'') && word[n-1] == word[0] {
		word = word[1 : n-1]
	}
	return word
}

// isKey reports whether a word is the key of a YAML mapping, and not a truncated entry.
func isKey(word string) bool {
	name, ok := strings.CutSuffix(word, ":")
	if !ok || name == "" || name == "enr" || name == "enode" || name == "enrtree" {
		return false
	}
	for i, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return true
}
