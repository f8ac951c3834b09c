package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"
)

// maxFile bounds the files that settings name, in bytes.
const maxFile = 16 << 20

// maxConfig bounds the configuration file.
const maxConfig = 1 << 20

// setting is a key of the configuration file with its value, as text; a list has any number of
// them.
type setting struct {
	name   string
	values []string
	where  string // file and line
}

// readConfig reads a configuration file. Names are those of flags; "log.level", log.level and level
// below [log] are the same.
func readConfig(path string) ([]setting, error) {
	text, err := readFile(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	var whole map[string]any
	if _, err := toml.Decode(string(text), &whole); err != nil {
		var parse toml.ParseError
		if errors.As(err, &parse) {
			return nil, fmt.Errorf("%s:%d: %s", path, parse.Position.Line, parse.Message)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// The library does not tell where a key stands. It reads statement by statement what it has
	// found to be good as a whole.
	var settings []setting
	var table []string
	for _, st := range statements(string(text)) {
		where := path + ":" + strconv.Itoa(st.line)
		m := make(map[string]any)
		md, err := toml.Decode(st.text, &m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		if strings.HasPrefix(st.text, "[") {
			table = md.Keys()[len(md.Keys())-1]
			if strings.HasPrefix(st.text, "[[") {
				settings = append(settings, setting{name: strings.Join(table, "."), where: where})
			}
			continue
		}
		list, err := flatten(where, table, m)
		if err != nil {
			return nil, err
		}
		settings = append(settings, list...)
	}
	return settings, nil
}

// flatten makes settings of what a statement says.
func flatten(where string, path []string, m map[string]any) (list []setting, err error) {
	for key, value := range m {
		at := append(slices.Clone(path), key)
		s := setting{name: strings.Join(at, "."), where: where}
		switch v := value.(type) {
		case map[string]any:
			below, err := flatten(where, at, v)
			if err != nil {
				return nil, err
			}
			list = append(list, below...)
			continue
		case []any:
			for _, e := range v {
				text, ok := scalar(e)
				if !ok {
					return nil, fmt.Errorf("%s: %s: want a list of text in quotes", where, s.name)
				}
				s.values = append(s.values, text)
			}
		default:
			text, ok := scalar(v)
			if !ok {
				return nil, fmt.Errorf("%s: %s: want text in quotes, a number, true or false", where, s.name)
			}
			s.values = []string{text}
		}
		list = append(list, s)
	}
	return list, nil
}

// scalar is a value as a flag would have it.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// byteOrderMark is what some editors put before a text in UTF-8.
const byteOrderMark = "\ufeff"

// readFile reads a text of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: longer than %d bytes", path, limit)
	}
	return bytes.TrimPrefix(text, []byte(byteOrderMark)), err
}

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

// printConfig is the settings in force as a configuration file. Those that nobody made are
// comments. The private key is not shown.
func printConfig(o *options) string {
	var b strings.Builder
	o.flags.VisitAll(func(f *pflag.Flag) {
		if onlyFlag(f.Name) {
			return
		}
		where := o.origin[f.Name]
		if f.Name == "nodekeyhex" && where != "" {
			fmt.Fprintf(&b, "# nodekeyhex = hidden, from %s\n", where)
			return
		}
		line := assignment(f)
		if where == "" {
			fmt.Fprintf(&b, "# %s\n", line)
		} else {
			fmt.Fprintf(&b, "%s # %s\n", line, where)
		}
	})
	return b.String()
}

// assignment is a setting in TOML.
func assignment(f *pflag.Flag) string {
	var value any = f.Value.String()
	if list, ok := f.Value.(pflag.SliceValue); ok {
		value = append([]string{}, list.GetSlice()...)
	}
	text, err := toml.Marshal(map[string]any{"x": value})
	if err != nil {
		return f.Name + " = ? # " + oneLine(err) // text and lists of text can be written
	}
	written := strings.TrimPrefix(strings.TrimSpace(string(text)), "x = ")
	switch f.Value.Type() {
	case "bool", "int":
		written = f.Value.String()
	}
	return f.Name + " = " + written
}
