package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
)

// withoutFlag says why a field of discv5.Config has no flag of its own name: another flag stands
// for it, as the operators of other nodes know that, or no operator needs one.
var withoutFlag = map[string]string{
	"PrivateKey":         "--nodekey and --nodekeyhex: as other bootnodes call it",
	"ListenAddrs":        "--addr: as other bootnodes call it",
	"PacketConns":        "a program's sockets",
	"Conns":              "a program's transports",
	"OtherProtocol":      "a program's function",
	"MaySend":            "a program's function",
	"NoEndpoint":         "a bootnode that cannot be reached is of no use",
	"Advertise":          "--extip: as other bootnodes call it",
	"Entries":            "a program's function",
	"Previous":           "read from the data directory",
	"PreviousAddresses":  "read from the data directory",
	"SaveRecord":         "a program's function",
	"Store":              "--datadir: the bootnode has its own keeper, which judges saves",
	"Logger":             "--log-level and --log-json",
	"StaticNodes":        "a bootnode treats all peers alike",
	"TrustedNodes":       "a bootnode treats all peers alike",
	"RecvBuffer":         "follows from the memory limit",
	"SendBuffer":         "follows from the memory limit",
	"Portable":           "for tests of the portable path",
	"DisableGSO":         "--no-gso: the name says what the operator sees",
	"MaxChallenges":      "follows from nothing that an operator knows",
	"DropSessionRecords": "a bootnode has no use for them",
	"SessionIdleTimeout": "the default is fit",
	"RequestTimeout":     "the default is fit",
	"Resend":             "the specification asks for none",
	"RefreshInterval":    "the default is fit",
	"TableFilter":        "a program's function",
	"InboundLimit":       "the default is fit",
	"Access":             "--ban-file and --netrestrict",
	"UnverifiedRates":    "the default is fit",
	"HandshakeRates":     "the default is fit",
	"RequestRates":       "the default is fit",
	"Unlimited":          "a bootnode needs its limits",
	"Protocol":           "a bootnode of the public network",
	"MaxRequests":        "the default is fit",
	"MaxPeerRequests":    "the default is fit",
	"MaxLookups":         "the default is fit",
	"MaxTasks":           "the default is fit",
	"MaxRecords":         "the default is fit",
	"TalkConcurrency":    "a bootnode has no handlers",
	"TalkPerPeer":        "a bootnode has no handlers",
	"Accelerate":         "--xdp",
	"TalkRates":          "a bootnode has no handlers",
	"SourceFilter":       "--filter, and the rates of --filter-prefix-rate and --filter-total-rate",
}

// flagOf is the name that a flag for a field of discv5.Config has: its words, with dashes.
func flagOf(field string) string {
	var b strings.Builder
	for i, r := range field {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// bootnodeFlags returns the flags of the program.
func bootnodeFlags(t *testing.T) *pflag.FlagSet {
	t.Helper()
	var o options
	return flagSet(&o)
}

// Each field of discv5.Config is described and has a flag of the same name, or a reason why not.
func TestConfigFieldsHaveFlags(t *testing.T) {
	set := bootnodeFlags(t)
	described := fieldDocs(t)
	typ := reflect.TypeFor[discv5.Config]()
	fields := make(map[string]bool)
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		fields[f.Name] = true
		why, excepted := withoutFlag[f.Name]
		switch flag := set.Lookup(flagOf(f.Name)); {
		case flag == nil && !excepted:
			t.Errorf("Config.%s has no flag --%s and no reason", f.Name, flagOf(f.Name))
		case flag != nil && excepted:
			t.Errorf("Config.%s has the flag --%s, although %q", f.Name, flag.Name, why)
		}
		if !described[f.Name] {
			t.Errorf("Config.%s has no comment that names it", f.Name)
		}
		// Flags that a reason names exist.
		for _, m := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(why, -1) {
			if set.Lookup(m[1]) == nil {
				t.Errorf("the reason of Config.%s names --%s, which does not exist", f.Name, m[1])
			}
		}
	}
	for name := range withoutFlag {
		if !fields[name] {
			t.Errorf("discv5.Config has no field %s", name)
		}
	}
}

// fieldDocs are the fields of discv5.Config that a comment in front of them names.
func fieldDocs(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "config.go"), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Config" {
			return true
		}
		text := "" // of the fields so far that have no comment of their own
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			if f.Doc != nil {
				text = f.Doc.Text()
			}
			for _, name := range f.Names {
				named[name.Name] = regexp.MustCompile(`\b` + name.Name + `\b`).MatchString(text)
			}
		}
		return false
	})
	return named
}

// Each flag is documented, and the defaults that documents state are those of the program.
func TestFlagsAreDocumented(t *testing.T) {
	var all string
	for _, name := range []string{"OPERATING.md", "LIMITS.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	set := bootnodeFlags(t)
	set.VisitAll(func(f *pflag.Flag) {
		if !regexp.MustCompile("--" + regexp.QuoteMeta(f.Name) + `\b[^-]`).MatchString(all) {
			t.Errorf("--%s is in neither docs/OPERATING.md nor docs/LIMITS.md", f.Name)
		}
		if f.Usage == "" {
			t.Errorf("--%s has no description", f.Name)
		}
	})
	for _, m := range regexp.MustCompile("`--([a-z][a-z-]*)").FindAllStringSubmatch(all, -1) {
		if f := set.Lookup(m[1]); (f == nil || f.Name != m[1]) && m[1] != "help" && !otherPrograms[m[1]] {
			t.Errorf("the documents name --%s, which does not exist", m[1])
		}
	}
	// A row of a table with a flag and a number or a time as its default.
	row := regexp.MustCompile("(?m)^\\| `--([a-z-]+)(?: [A-Z]+)?` \\| (-?[0-9][0-9a-z]*) \\|")
	rows := row.FindAllStringSubmatch(all, -1)
	for _, m := range rows {
		f := set.Lookup(m[1])
		if f == nil {
			continue // reported above
		}
		if def := strings.TrimSuffix(strings.TrimSuffix(f.DefValue, "0s"), "0m"); def != m[2] && f.DefValue != m[2] {
			t.Errorf("docs/OPERATING.md: the default of --%s is %s, not %s", m[1], f.DefValue, m[2])
		}
	}
	if len(rows) < 4 {
		t.Errorf("%d rows with defaults: this tests too little", len(rows))
	}
}

// otherPrograms are flags of other programs that the documents name.
var otherPrograms = map[string]bool{
	"parallel": true, // of discv5 crawl
}
