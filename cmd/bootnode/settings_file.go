package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// maxFile bounds the files that settings name, in bytes.
const maxFile = 16 << 20

// maxConfig bounds the configuration file, in bytes.
const maxConfig = 1 << 20

// setting is a key of the configuration file with its value as text, or the header of a table. A
// list has any number of values.
type setting struct {
	name   string
	values []string
	kinds  []unstable.Kind // of values
	where  string          // file and line
	list   bool            // values are in brackets
	table  bool            // the header of a table, or an inline table
	empty  bool            // an inline table without keys
	array  bool            // the table is one of an array
}

// readConfig reads a configuration file. "log.level", log.level, and level below [log] have the
// same name. from is the flag or the variable that names the file.
func readConfig(path, from string) ([]setting, error) {
	text, err := readFile(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	// The decoder finds every mistake, duplicate keys among them. The parser below it knows the
	// line of each key.
	var whole map[string]any
	if err := toml.Unmarshal(text, &whole); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, column := at.Position()
			return nil, fmt.Errorf("%s:%d: column %d: %s", path, line, column, strings.TrimPrefix(at.Error(), "toml: "))
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := configReader{path: path}
	r.parser.Reset(text)
	for r.parser.NextExpression() {
		if err := r.expression(r.parser.Expression()); err != nil {
			return nil, err
		}
	}
	return r.settings, r.parser.Error()
}

// configReader collects the settings of a configuration file.
type configReader struct {
	path     string
	parser   unstable.Parser
	table    []string // the table that keys are in
	settings []setting
}

// expression reads a table header or a key with its value.
func (r *configReader) expression(n *unstable.Node) error {
	switch n.Kind {
	case unstable.Table, unstable.ArrayTable:
		name, where := r.key(n, nil)
		r.table = name
		r.settings = append(r.settings, setting{name: strings.Join(name, "."), where: where, table: true, array: n.Kind == unstable.ArrayTable})
	case unstable.KeyValue:
		return r.keyValue(n, r.table)
	}
	return nil
}

// key returns the parts of a key below a table, and the file and line where it is.
func (r *configReader) key(n *unstable.Node, table []string) (name []string, where string) {
	name = slices.Clone(table)
	line := 0
	for parts := n.Key(); parts.Next(); {
		part := parts.Node()
		if line == 0 {
			line = r.parser.Shape(part.Raw).Start.Line
		}
		name = append(name, string(part.Data))
	}
	return name, r.path + ":" + strconv.Itoa(line)
}

// keyValue adds the setting or, for an inline table, the settings of a key.
func (r *configReader) keyValue(n *unstable.Node, table []string) error {
	name, where := r.key(n, table)
	value := n.Value()
	s := setting{name: strings.Join(name, "."), where: where}
	switch value.Kind {
	case unstable.InlineTable:
		children := value.Children()
		s.table, s.empty = true, !children.Next()
		r.settings = append(r.settings, s)
		for children = value.Children(); children.Next(); {
			if err := r.keyValue(children.Node(), name); err != nil {
				return err
			}
		}
		return nil
	case unstable.Array:
		s.list = true
		for children := value.Children(); children.Next(); {
			s.add(children.Node())
		}
	default:
		s.add(value)
	}
	r.settings = append(r.settings, s)
	return nil
}

// add adds a value in the form that a flag takes.
func (s *setting) add(n *unstable.Node) {
	text := string(n.Data)
	switch n.Kind {
	case unstable.Integer: // as TOML has it: 1_000, 0xff
		if i, err := strconv.ParseInt(text, 0, 64); err == nil {
			text = strconv.FormatInt(i, 10)
		}
	case unstable.Float:
		if x, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64); err == nil {
			text = strconv.FormatFloat(x, 'g', -1, 64)
		}
	}
	s.values, s.kinds = append(s.values, text), append(s.kinds, n.Kind)
}

// kindNames are how errors name the kinds of values that no setting takes, or not every one.
var kindNames = map[unstable.Kind]string{
	unstable.String: "text", unstable.Integer: "a number", unstable.Float: "a number", unstable.Array: "a list", unstable.InlineTable: "a table",
	unstable.LocalDate: "a date", unstable.LocalTime: "a time of day", unstable.LocalDateTime: "a date", unstable.DateTime: "a date",
}

// fits checks that the value has the type of the flag: TOML tells text from numbers, and a number
// where text belongs is likely the value of another key.
func (s *setting) fits(f *pflag.Flag) error {
	_, many := f.Value.(pflag.SliceValue)
	want := settingTypes[f.Value.Type()]
	kinds := []unstable.Kind{unstable.String}
	switch f.Value.Type() {
	case "bool":
		kinds = []unstable.Kind{unstable.Bool}
	case "int":
		kinds = []unstable.Kind{unstable.Integer}
	case "float64":
		kinds = []unstable.Kind{unstable.Integer, unstable.Float}
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s: want %s, not "+format, append([]any{s.where, f.Name, want}, args...)...)
	}
	switch {
	case f.Name == networkTable && (s.table || s.list):
		return fmt.Errorf("%s: %s: want text in quotes, or a [[%s]] table for each of several networks", s.where, f.Name, networkTable)
	case s.table:
		return wrong("a table")
	case s.list && !many:
		return wrong("a list")
	}
	for i, k := range s.kinds {
		if slices.Contains(kinds, k) {
			continue
		}
		if k == unstable.Float && slices.Contains(kinds, unstable.Integer) {
			return wrong("the fraction %s", quote.Short(s.values[i]))
		}
		if name := kindNames[k]; name != "" {
			if text := s.values[i]; text != "" {
				name += ", " + quote.Short(text)
			}
			return wrong("%s", name)
		}
		return wrong("%s", s.values[i]) // true or false
	}
	return nil
}

// settingTypes are the types of settings, by those of package pflag.
var settingTypes = map[string]string{
	"string": "text in quotes", "stringArray": "a list of text in quotes", "bool": "true or false",
	"int": "a number", "float64": "a number", "duration": `a time in quotes, like "10s" or "5m"`,
}

// byteOrderMark is what some editors put before a text in UTF-8.
const byteOrderMark = "\ufeff"

// readFile reads a text of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := cli.OpenRegular(path)
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

// printConfig returns the settings in force as a configuration file. Defaults are comments. The
// private key is hidden.
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
		// TOML does not allow the key beside tables of its name: the tables have it.
		if where == "" || f.Name == networkTable && len(o.networkList) > 0 {
			fmt.Fprintf(&b, "# %s\n", line)
		} else {
			fmt.Fprintf(&b, "%s # %s\n", line, where)
		}
	})
	b.WriteString(o.printNetworks())
	return b.String()
}

// assignment returns a setting in TOML.
func assignment(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool", "int", "float64":
		return f.Name + " = " + f.Value.String()
	}
	list, ok := f.Value.(pflag.SliceValue)
	if !ok {
		return f.Name + " = " + tomlString(f.Value.String())
	}
	var texts []string
	for _, v := range list.GetSlice() {
		texts = append(texts, tomlString(v))
	}
	return f.Name + " = [" + strings.Join(texts, ", ") + "]"
}

// tomlString returns s as a basic string of TOML.
func tomlString(s string) string {
	var b strings.Builder
	// The escapes of JSON are those of TOML, which does not allow DEL as it is.
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return "? # " + cli.OneLine(err) // every string can be written
	}
	return strings.ReplaceAll(strings.TrimSpace(b.String()), "\x7f", `\u007f`)
}
