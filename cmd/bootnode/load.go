package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/quote"
)

const envPrefix = "DISCV5_"

// envName is the environment variable of a setting.
func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

// load makes the settings: a flag counts before an environment variable, that before the
// configuration file, and that before the default. Lists are not joined: the one that counts
// replaces the others. It reads the files that settings name, but nothing of the data directory,
// and changes nothing. An error names the flag, variable, or file with line that it is about.
func load(args, environ []string) (*options, error) {
	o := &options{origin: make(map[string]string)}
	o.flags = flagSet(o)
	if err := o.flags.Parse(args); err != nil {
		return nil, explainFlag(err, o.flags)
	}
	if o.flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %s", quote.Short(o.flags.Arg(0)))
	}
	if o.version {
		return o, nil
	}
	env, err := o.environment(environ)
	if err != nil {
		return nil, err
	}
	file, err := o.configFile(env)
	if err != nil {
		return nil, err
	}
	o.flags.VisitAll(func(f *pflag.Flag) {
		value, inEnv := env[f.Name]
		set, inFile := file[f.Name]
		switch {
		case err != nil || f.Name == "config":
		case f.Changed:
			o.origin[f.Name] = "--" + f.Name
		case onlyFlag(f.Name):
		case inEnv:
			o.origin[f.Name] = envName(f.Name)
			err = assign(f, []string{value}, o.origin[f.Name])
		case inFile:
			o.origin[f.Name] = set.where + ": " + f.Name
			err = assign(f, set.values, o.origin[f.Name])
		}
	})
	if err != nil {
		return nil, err
	}
	return o, o.understand()
}

// environment picks this program's variables. Some that it does not know may be meant for others:
// orchestrators make variables out of the names of services. They are warned about.
func (o *options) environment(environ []string) (map[string]string, error) {
	known := make(map[string]string) // variable to setting
	o.flags.VisitAll(func(f *pflag.Flag) {
		if !onlyFlag(f.Name) || f.Name == "config" {
			known[envName(f.Name)] = f.Name
		}
	})
	env := make(map[string]string)
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if setting, ok := known[name]; ok {
			env[setting] = value
			continue
		}
		warning := "environment variable " + name + " is no setting"
		if near := nearest(name, known); near != "" {
			warning += "; " + near + " is"
		}
		o.warnings = append(o.warnings, warning)
	}
	return env, nil
}

// configFile reads the file of --config, if there is one.
func (o *options) configFile(env map[string]string) (map[string]setting, error) {
	if value, ok := env["config"]; ok && !o.flags.Changed("config") {
		o.config = value
	}
	if o.config == "" {
		if o.flags.Changed("config") {
			return nil, errors.New("--config is empty")
		}
		return nil, nil
	}
	settings, err := readConfig(o.config)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]setting)
	for _, s := range settings {
		if o.flags.Lookup(s.name) == nil {
			return nil, fmt.Errorf("%s: unknown key %s%s", s.where, quote.Short(s.name), hint(s.name, "", o.flags))
		}
		if onlyFlag(s.name) {
			return nil, fmt.Errorf("%s: %s is for the command line only", s.where, s.name)
		}
		if other, ok := byName[s.name]; ok {
			return nil, fmt.Errorf("%s: %s was set before, in %s", s.where, s.name, other.where)
		}
		byName[s.name] = s
	}
	return byName, nil
}

// assign sets a flag to what an environment variable or file says.
func assign(f *pflag.Flag, values []string, where string) error {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		var all []string
		for _, v := range values {
			all = append(all, splitList(v)...)
		}
		return list.Replace(all)
	}
	if len(values) != 1 {
		return fmt.Errorf("%s: want one value, not %d", where, len(values))
	}
	if err := f.Value.Set(values[0]); err != nil {
		want := map[string]string{"int": "a number", "bool": "true or false", "duration": `a time like "10s" or "5m"`}[f.Value.Type()]
		return fmt.Errorf("%s: want %s, not %s", where, want, quote.Short(values[0]))
	}
	return nil
}

// splitList takes a list apart at its commas. Empty entries, of a comma too many, are left out.
func splitList(s string) (list []string) {
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			list = append(list, v)
		}
	}
	return list
}

// from is how an error names a setting.
func (o *options) from(name string) string {
	if where := o.origin[name]; where != "" {
		return where
	}
	return "--" + name
}
