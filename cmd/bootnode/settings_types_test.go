package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// tomlValues are values of every type that TOML has.
var tomlValues = map[string]string{
	"text": `"7m"`, "number": "7", "hexadecimal number": "0x7", "fraction": "7.5", "infinity": "inf", "boolean": "true",
	"date": "2026-01-02", "time of day": "10:00:00", "date and time": "2026-01-02T10:00:00Z",
	"list of text": `["7m"]`, "list of numbers": "[7]", "list of booleans": "[true]", "list of lists": `[["7m"]]`,
	"mixed list": `["7m", 7]`, "list of tables": `[{a = "b"}]`, "inline table": `{a = "b"}`, "empty inline table": "{}",
}

// tomlFits are the values that settings of a type take.
var tomlFits = map[string][]string{
	"string": {"text"}, "stringArray": {"text", "list of text"}, "bool": {"boolean"}, "duration": {"text"},
	"int": {"number", "hexadecimal number"}, "float64": {"number", "hexadecimal number", "fraction", "infinity"},
}

// TestTypesAreStrict: each key of the configuration file takes values of its type only, at the top
// and in a [[network]]. The error names the file, the line and the key.
func TestTypesAreStrict(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bootnode.toml")
	flagSet(new(options)).VisitAll(func(f *pflag.Flag) {
		if onlyFlag(f.Name) {
			return
		}
		fits := make(map[string]bool)
		for _, kind := range tomlFits[f.Value.Type()] {
			fits[kind] = true
		}
		if len(fits) == 0 {
			t.Fatalf("%s has the unknown type %s", f.Name, f.Value.Type())
		}
		forms := map[string]string{"value": "# one\n\n%s = %s\n"}
		if !ofProcess(f.Name) {
			forms["value of a network"] = "[[network]]\nname = \"a\"\n%s = %s\n"
		}
		for form, text := range forms {
			for kind, value := range tomlValues {
				t.Run(f.Name+"/"+form+"/"+kind, func(t *testing.T) {
					if err := os.WriteFile(file, fmt.Appendf(nil, text, f.Name, value), 0o600); err != nil {
						t.Fatal(err)
					}
					_, err := load([]string{"--config", file}, nil)
					typed := err != nil && strings.Contains(err.Error(), ":3: "+f.Name+": want "+settingTypes[f.Value.Type()]+", not ")
					if fits[kind] { // it may be a wrong value, which has an error of its own
						if typed {
							t.Errorf("%s = %s: %v", f.Name, value, err)
						}
						return
					}
					// The keys of the table may belong to other settings: [topics] has capacity.
					if inside := ":3: unknown key \"" + f.Name + ".a\""; kind == "inline table" && err != nil && strings.Contains(err.Error(), file+inside) {
						return
					}
					if f.Name == networkTable {
						typed = err != nil && strings.Contains(err.Error(), ":3: network: want text in quotes")
					}
					if !typed || !strings.HasPrefix(err.Error(), file+":") || strings.Contains(err.Error(), "\n") {
						t.Errorf("%s = %s: %v, want an error at line 3", f.Name, value, err)
					}
				})
			}
		}
	})
}
