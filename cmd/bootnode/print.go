package main

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"
)

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
