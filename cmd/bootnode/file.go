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
