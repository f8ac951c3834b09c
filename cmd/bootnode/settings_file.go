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
)

// maxFile bounds the files that settings name, in bytes.
const maxFile = 16 << 20

// maxConfig bounds the configuration file, in bytes.
const maxConfig = 1 << 20

// setting is a key of the configuration file with its value as text. A list has any number of
// values.
type setting struct {
	name   string
	values []string
	where  string // file and line
	array  bool   // the header of a table in an array of tables
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
		if n.Kind == unstable.ArrayTable {
			r.settings = append(r.settings, setting{name: strings.Join(name, "."), where: where, array: true})
		}
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
	if value.Kind == unstable.InlineTable {
		for children := value.Children(); children.Next(); {
			if err := r.keyValue(children.Node(), name); err != nil {
				return err
			}
		}
		return nil
	}
	s := setting{name: strings.Join(name, "."), where: where}
	if value.Kind != unstable.Array {
		text, ok := scalar(value)
		if !ok {
			return fmt.Errorf("%s: %s: want text in quotes, a number, true or false", where, s.name)
		}
		s.values = []string{text}
	} else {
		for children := value.Children(); children.Next(); {
			text, ok := scalar(children.Node())
			if !ok {
				return fmt.Errorf("%s: %s: want a list of text in quotes", where, s.name)
			}
			s.values = append(s.values, text)
		}
	}
	r.settings = append(r.settings, s)
	return nil
}

// scalar returns a value in the form that a flag takes.
func scalar(n *unstable.Node) (string, bool) {
	switch n.Kind {
	case unstable.String, unstable.Bool:
		return string(n.Data), true
	case unstable.Integer:
		i, err := strconv.ParseInt(string(n.Data), 0, 64) // as TOML has it: 1_000, 0xff
		return strconv.FormatInt(i, 10), err == nil
	case unstable.Float:
		x, err := strconv.ParseFloat(strings.ReplaceAll(string(n.Data), "_", ""), 64)
		return strconv.FormatFloat(x, 'g', -1, 64), err == nil
	}
	return "", false
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
		if where == "" {
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
