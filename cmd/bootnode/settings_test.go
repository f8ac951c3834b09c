package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
)

func mustLoad(t *testing.T, args, environ []string) *options {
	t.Helper()
	o, err := load(args, environ)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A flag overrides an environment variable, which overrides the file, which overrides the default.
func TestPrecedence(t *testing.T) {
	file := write(t, `
max-sessions = 1000
sockets = 2
save-interval = "30s"
addr = [
  "127.0.0.1:1", # two
  "127.0.0.1:2",
]
log-level = "debug"
[log]
json = true
`, 0o600)
	env := []string{"DISCV5_MAX_SESSIONS=2000", "DISCV5_LOG_LEVEL=warn", "DISCV5_SOCKETS=3", "DISCV5_CONFIG=" + file, "HOME=/nowhere"}
	for _, c := range []struct {
		name      string
		args, env []string
		sessions  int
		sockets   int
		level     string
		addrs     int
		json      bool
		save      time.Duration
	}{
		{"default", nil, nil, defaultMaxSessions, 0, "info", 1, false, defaultSaveInterval},
		{"file", []string{"--config", file}, nil, 1000, 2, "debug", 2, true, 30 * time.Second},
		{"environment before file", nil, env, 2000, 3, "warn", 2, true, 30 * time.Second},
		{"flag before all", []string{"--max-sessions", "3000", "--addr", ":9", "--log-json=false", "--config", file}, env, 3000, 3, "warn", 1, false, 30 * time.Second},
		{"flag --config before its variable", []string{"--config", write(t, "sockets = 9", 0o600)}, env[3:], defaultMaxSessions, 9, "info", 1, false, defaultSaveInterval},
	} {
		o := mustLoad(t, c.args, c.env)
		if o.sessions != c.sessions || o.sockets != c.sockets || o.logLevel != c.level || len(o.addrs) != c.addrs || o.logJSON != c.json || o.save != c.save {
			t.Errorf("%s: %d sessions, %d sockets, level %s, addresses %v, JSON %v, save %v", c.name, o.sessions, o.sockets, o.logLevel, o.addrs, o.logJSON, o.save)
		}
	}
	o := mustLoad(t, nil, []string{"DISCV5_ADDR=127.0.0.1:1,127.0.0.1:2", "DISCV5_NETRESTRICT=10.0.0.0/8, 192.168.1.1", "DISCV5_LOG_JSON=true"})
	if len(o.listen) != 2 || len(o.restrict) != 2 || !o.logJSON {
		t.Errorf("lists of the environment: %v and %v", o.listen, o.restrict)
	}
}

// Every setting works from the environment and from a file, whatever its kind.
func TestEverySettingHasAllForms(t *testing.T) {
	flagSet(new(options)).VisitAll(func(f *pflag.Flag) {
		if onlyFlag(f.Name) {
			return
		}
		value, ok := map[string]string{"int": "7", "bool": "true", "duration": "7m0s", "float64": "0.25"}[f.Value.Type()]
		if !ok {
			value = "some text"
		}
		o := &options{origin: map[string]string{}, flags: flagSet(new(options))}
		env, err := o.environment([]string{envName(f.Name) + "=" + value})
		if err != nil || env[f.Name].value != value || len(o.warnings) > 0 {
			t.Errorf("%s from the environment: %q, %v, %q", f.Name, env, err, o.warnings)
		}
		written := value
		if f.Value.Type() != "int" && f.Value.Type() != "bool" && f.Value.Type() != "float64" {
			written = `"` + value + `"`
		}
		s, err := readConfig(write(t, f.Name+" = "+written, 0o600), "--config")
		if err != nil || len(s) != 1 || s[0].name != f.Name {
			t.Fatalf("%s: %v, %v", f.Name, s, err)
		}
		if err := assign(f, s[0].values, "x"); err != nil || strings.Trim(f.Value.String(), "[]\"") != value {
			t.Errorf("%s from a file is %q, %v", f.Name, f.Value, err)
		}
	})
}

func TestSettingErrors(t *testing.T) {
	dir := t.TempDir()
	config := func(text string) []string {
		path := filepath.Join(dir, "c.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"--config", path}
	}
	bans, nodes := write(t, "192.0.2.0/24 12h\n\nexample.org\n", 0o600), write(t, "# mine\nenr:AAAA # bad\n", 0o600)
	long := "x = \"" + strings.Repeat("a", maxConfig) + "\""
	for _, c := range []struct {
		name string
		args func() []string
		env  []string
		want []string // parts of the error
	}{
		{"unknown key", func() []string { return config("# c\n\nmaxsesions = 3\n") }, nil, []string{"c.toml:3: ", `"maxsesions"`, "did you mean max-sessions?"}},
		{"key of another program", func() []string { return config("boot-node = []") }, nil, []string{"c.toml:1: ", "did you mean bootnodes?"}},
		{"twice in the environment", nil, []string{"DISCV5_MAX_SESSIONS=1", "DISCV5_MAXSESSIONS=2"}, []string{"DISCV5_MAX_SESSIONS and DISCV5_MAXSESSIONS"}},
		{"twice in two spellings", func() []string { return config("max-sessions = 1\n\nmax_sessions = 2") }, nil, []string{"c.toml:3: max-sessions was set before", "c.toml:1"}},
		{"inline table", func() []string { return config("\nlog = { level = \"info\", jsn = true }") }, nil, []string{"c.toml:2: ", `"log.jsn"`, "log-json?"}},
		{"syntax of a long line", func() []string { return config("sockets = 1\naddr = [\":9000\" \":9001\"]") }, nil, []string{"c.toml:2: column 17"}},
		{"unknown key in table", func() []string { return config("[log]\n\nlevels = \"info\"") }, nil, []string{"c.toml:3: ", `"log.levels"`, "log-level?"}},
		{"unknown empty table", func() []string { return config("sockets = 2\n[logs]") }, nil, []string{"c.toml:2: unknown table", `"logs"`}},
		{"unknown empty inline table", func() []string { return config("logs = {}") }, nil, []string{"c.toml:1: unknown table", `"logs"`}},
		{"one network in single brackets", func() []string { return config("[network]\nname = \"a\"") }, nil, []string{"c.toml:1: network: want text in quotes, or a [[network]] table"}},
		{"twice in a network", func() []string { return config("[[network]]\nname = \"a\"\nmax_sessions = 1\nmax-sessions = 2") }, nil, []string{"c.toml:4: max-sessions was set before, in ", "c.toml:3"}},
		{"number as a name", func() []string { return config("[[network]]\nname = 7") }, nil, []string{"c.toml:2: name: want"}},
		{"too large a number", func() []string { return config("max-sessions = 99999999999999999999") }, nil, []string{"c.toml:1: "}},
		{"unknown table", func() []string { return config("[[bootnodes]]\nenr = 1") }, nil, []string{"c.toml:1: bootnodes: want a list of text in quotes, not a table"}},
		{"syntax", func() []string { return config("addr = [\n\":9000\"\nsockets = 1\n") }, nil, []string{"c.toml:3: "}},
		{"twice", func() []string { return config("sockets = 1\nsockets = 2") }, nil, []string{"c.toml:2: ", "sockets"}},
		{"twice in two forms", func() []string { return config("log-json = true\n\"log.json\" = true") }, nil, []string{"c.toml:2: ", "set before"}},
		{"type", func() []string { return config("\nsockets = \"many\"") }, nil, []string{"c.toml:2: sockets: want a number"}},
		{"filter", func() []string { return []string{"--filter", "bpf"} }, nil, []string{"--filter", "socket, tc, xdp"}},
		{"filter rate", func() []string { return []string{"--filter-prefix-rate", "0"} }, nil, []string{"--filter-prefix-rate", "64,128"}},
		{"filter burst", func() []string { return []string{"--filter-total-rate", "5,"} }, nil, []string{"--filter-total-rate", "64,128"}},
		{"filter burst too large", func() []string { return []string{"--filter-total-rate", "5,9999999"} }, nil, []string{"--filter-total-rate", "9999999"}},
		{"limits by prefix", func() []string { return []string{"--bucket-limits", "2,2"} }, nil, []string{"--bucket-limits", "2,2,12"}},
		{"limits of the table", func() []string { return config("table-limits = \"10,x,20\"") }, nil, []string{"c.toml:1: ", "table-limits", "off"}},
		{"exemption", func() []string { return []string{"--exempt-private", "yes"} }, nil, []string{"--exempt-private", "auto, always or never"}},
		{"ads", func() []string { return config("topics-capacity = 100_001") }, nil, []string{"c.toml:1: topics-capacity 100001: want 1 to 100000"}},
		{"no ads", nil, []string{"DISCV5_TOPICS_CAPACITY=0"}, []string{"DISCV5_TOPICS_CAPACITY 0: want 1"}},
		{"factor of waits", func() []string { return config("topics.wait-scale = 0.0") }, nil, []string{"c.toml:1: topics-wait-scale 0: want more than 0"}},
		{"negative factor", func() []string { return []string{"--topics-wait-scale=-0.1"} }, nil, []string{"--topics-wait-scale -0.1: want more"}},
		{"no number for a factor", func() []string { return config("topics-wait-scale = nan") }, nil, []string{"topics-wait-scale NaN: want more than 0"}},
		{"infinite factor", func() []string { return config("topics-wait-scale = +inf") }, nil, []string{"topics-wait-scale +Inf: want"}},
		{"factor in words", func() []string { return config("topics-wait-scale = \"half\"") }, nil, []string{"topics-wait-scale: want a number, not", "half"}},
		{"fraction", func() []string { return config("sockets = 1.5") }, nil, []string{"c.toml:1: sockets: want"}},
		{"date", func() []string { return config("sockets = 2020-01-01") }, nil, []string{"c.toml:1: sockets: want"}},
		{"list of lists", func() []string { return config("addr = [[\":1\"]]") }, nil, []string{"c.toml:1: addr: want a list of text in quotes, not a list"}},
		{"list for one", func() []string { return config("datadir = [\"a\", \"b\"]") }, nil, []string{"c.toml:1: datadir: want text in quotes, not a list"}},
		{"bad duration", func() []string { return config("save-interval = 10") }, nil, []string{"c.toml:1: save-interval: want a time"}},
		{"bad value", func() []string { return config("\n\nlog.level = \"loud\"") }, nil, []string{"c.toml:3: log-level", "want debug"}},
		{"out of bounds", func() []string { return config("max-sessions = 0") }, nil, []string{"c.toml:1: max-sessions 0"}},
		{"not for the file", func() []string { return config("print-config = true") }, nil, []string{"c.toml:1: ", "command line only"}},
		{"config in config", func() []string { return config("config = \"other\"") }, nil, []string{"command line only"}},
		{"bootnode in config", func() []string { return config("sockets = 1\nbootnodes = [\n\"enr:AAAA\"]") }, nil, []string{"c.toml:2: ", "bootnode 1: "}},
		{"empty address list", func() []string { return config("addr = []") }, nil, []string{"c.toml:1: addr is empty"}},
		{"no file", func() []string { return []string{"--config", filepath.Join(dir, "missing")} }, nil, []string{"--config: ", "no such file"}},
		{"empty name", func() []string { return []string{"--config", ""} }, nil, []string{"--config is empty"}},
		{"long file", func() []string { return config(long) }, nil, []string{"longer than"}},
		{"environment type", nil, []string{"DISCV5_PPROF=perhaps"}, []string{"DISCV5_PPROF: want true or false"}},
		{"environment value", nil, []string{"DISCV5_ADDR=localhost"}, []string{`DISCV5_ADDR "localhost"`}},
		{"environment key", nil, []string{"DISCV5_NODEKEYHEX=" + hexKey, "DISCV5_NODEKEY=x"}, []string{"exclude"}},
		{"ban file", func() []string { return []string{"--ban-file", bans} }, nil, []string{bans + `:3: "example.org": not an address`}},
		{"no ban file", func() []string { return []string{"--ban-file", filepath.Join(dir, "bans")} }, nil, []string{"--ban-file: ", "no such file"}},
		{"bootnodes file", func() []string { return []string{"--bootnodes-file", nodes} }, nil, []string{nodes + ":2: "}},
		{"no bootnodes file", func() []string { return []string{"--bootnodes-file", dir + "/none"} }, nil, []string{"--bootnodes-file: ", "no such file"}},
		{"netrestrict", func() []string { return []string{"--netrestrict", "10.0.0.0/8,lan"} }, nil, []string{`--netrestrict "lan"`}},
		{"netrestrict node", func() []string { return []string{"--netrestrict", hexKeyID} }, nil, []string{"--netrestrict", "want a network"}},
		{"netrestrict empty", func() []string { return []string{"--netrestrict", ","} }, nil, []string{"--netrestrict is empty"}},
		{"pprof alone", func() []string { return []string{"--pprof"} }, nil, []string{"--pprof needs --http"}},
		{"pprof with metrics", func() []string { return []string{"--pprof", "--metrics", "127.0.0.1:6061"} }, nil, []string{"--pprof needs --http"}},
		{"one address for both", func() []string { return []string{"--http", "127.0.0.1:6060", "--metrics", "127.0.0.1:6060"} }, nil, []string{"--http and --metrics have the same address 127.0.0.1:6060"}},
		{"pprof for all", func() []string { return []string{"--pprof", "--http", "0.0.0.0:6060"} }, nil, []string{"loopback"}},
		{"pprof by name", func() []string { return []string{"--pprof", "--http", "example.org:6060"} }, nil, []string{"loopback"}},
		{"pprof on all", func() []string { return []string{"--pprof", "--http", ":6060"} }, nil, []string{"loopback"}},
		{"nat", func() []string { return []string{"--nat", "magic"} }, nil, []string{"--nat: ", `"magic"`, "stun:host"}},
		{"stun without server", func() []string { return []string{"--nat", "stun"} }, nil, []string{"--nat: ", "needs a server", "there is no default"}},
		{"nat twice", func() []string { return []string{"--nat", "extip:192.0.2.1", "--extip", "192.0.2.2"} }, nil, []string{"--nat extip:192.0.2.1: a second address"}},
		{"nat and extip", func() []string { return []string{"--nat", "upnp", "--extip", "192.0.2.2"} }, nil, []string{"--nat upnp: --extip"}},
		{"stun and extip", func() []string { return []string{"--nat", "stun:192.0.2.9", "--extip", "2001:db8::1"} }, nil, []string{"--extip says"}},
		{"nat without IPv4", func() []string { return []string{"--nat", "any", "--addr", "[::1]:0"} }, nil, []string{"--nat any: ", "no IPv4 --addr"}},
		{"tree", func() []string { return []string{"--bootnodes", "enrtree://AAAA@example.org"} }, nil, []string{"bootnode 1: ", "enrtree"}},
		{"status", func() []string { return []string{"--log-status", "-1s"} }, nil, []string{"--log-status -1s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var args []string
			if c.args != nil {
				args = c.args()
			}
			_, err := load(args, c.env)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), hexKey) {
				t.Errorf("%q", err)
			}
		})
	}
}

// An error about a mistyped name suggests the right one, and an error about a long name with one
// dash says that it needs two.
func TestHints(t *testing.T) {
	for args, want := range map[string]string{
		"--boot-node x":           "unknown flag --boot-node; did you mean --bootnodes?",
		"-nodekey x":              "unknown flag -nodekey; a long name has two dashes: --nodekey",
		"-nodekey=x":              "a long name has two dashes: --nodekey",
		"-max_sessions=1":         "a long name has two dashes: --max_sessions",
		"-x":                      "unknown flag -x",
		"--bootnoeds x":           "did you mean --bootnodes?",
		"--max-session 1":         "did you mean --max-sessions?",
		"--quux":                  "unknown flag --quux",
		"--netrestrcit 1.2.3.4/8": "did you mean --netrestrict?",
	} {
		t.Run(args, func(t *testing.T) {
			_, err := load(strings.Fields(args), nil)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
	for _, args := range []string{"--quux", "-x"} {
		if _, err := load([]string{args}, nil); strings.Contains(err.Error(), ";") {
			t.Errorf("a hint where there is none: %v", err)
		}
	}
	o := mustLoad(t, nil, []string{"DISCV5_MAX_SESSION=1", "DISCV5_SERVICE_HOST=10.0.0.1", "PATH=/bin"})
	if len(o.warnings) != 2 || !strings.Contains(o.warnings[0], "DISCV5_MAX_SESSIONS is") || strings.Contains(o.warnings[1], ";") {
		t.Errorf("warnings %q", o.warnings)
	}
}

// The separators in the name of a setting do not matter, wherever it is set. Errors and
// --print-config have one spelling.
func TestSpellings(t *testing.T) {
	for _, c := range []struct {
		name      string
		args, env []string
		file      string
	}{
		{"flags", []string{"--max-sessions", "9", "--log-level", "warn"}, nil, ""},
		{"flags without separators", []string{"--maxsessions=9", "--loglevel=warn"}, nil, ""},
		{"flags with other separators", []string{"--max_sessions", "9", "--log.level", "warn"}, nil, ""},
		{"variables", nil, []string{"DISCV5_MAX_SESSIONS=9", "DISCV5_LOG_LEVEL=warn"}, ""},
		{"variables without separators", nil, []string{"DISCV5_MAXSESSIONS=9", "DISCV5_LOGLEVEL=warn"}, ""},
		{"file", nil, nil, "max-sessions = 9\nlog-level = \"warn\""},
		{"file without separators", nil, nil, "maxsessions = 9\nloglevel = \"warn\""},
		{"file with dots", nil, nil, "max.sessions = 9\nlog.level = \"warn\""},
		{"file with tables", nil, nil, "[max]\nsessions = 9\n[log]\nlevel = \"warn\""},
		{"file with inline tables", nil, nil, "max = { sessions = 0x9 }\nlog = { level = 'warn' }"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if c.file != "" {
				args = []string{"--config", write(t, c.file, 0o600)}
			}
			o := mustLoad(t, args, c.env)
			if o.sessions != 9 || o.logLevel != "warn" || len(o.warnings) > 0 {
				t.Errorf("%d sessions, level %s, warnings %q", o.sessions, o.logLevel, o.warnings)
			}
			if text := printConfig(o); !strings.Contains(text, "\nmax-sessions = 9 # ") || !strings.Contains(text, "\nlog-level = \"warn\" # ") {
				t.Errorf("printed:\n%s", text)
			}
		})
	}
}

// The help text has each flag once, and every line fits a terminal of 100 columns.
func TestUsage(t *testing.T) {
	text := usage()
	for _, name := range cli.FlagNames(flagSet(new(options))) {
		count := 0
		for line := range strings.Lines(text) {
			if f := strings.Fields(line); len(f) > 0 && strings.HasPrefix(line, "      --") && strings.TrimSuffix(f[0], "[=true|false]") == "--"+name {
				count++
			}
		}
		if count != 1 {
			t.Errorf("--%s is there %d times", name, count)
		}
	}
	for line := range strings.Lines(text) {
		if len(strings.TrimRight(line, "\n")) > 101 {
			t.Errorf("%q is too long", line)
		}
	}
}

// No two settings differ in their separators only.
func TestBareNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range cli.FlagNames(flagSet(new(options))) {
		if other, ok := seen[bareName(name)]; ok {
			t.Errorf("%s and %s", name, other)
		}
		seen[bareName(name)] = name
		if name != strings.ToLower(name) || strings.ContainsAny(name, "._") {
			t.Errorf("%s: want lower case and hyphens", name)
		}
	}
}

// readConfig finds the values that the decoder finds, and the line of each key.
func TestConfigLines(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // line:name=values, in order
	}{
		{"", ""},
		{"\n\n# only a comment", ""},
		{"a = 1", "1:a=1"},
		{"a = 1\nb = 2\r\n\r\nc = 3 # d = 4\n", "1:a=1 2:b=2 4:c=3"},
		{"a = [\n 1, # one ]\n 2\n]\nb = 2", "1:a=1,2 5:b=2"},
		{"a = \"\"\"\nb = 1\n\\\"\"\"\" \nd = 1", "1:a=b = 1\n\" 4:d=1"},
		{"a = '''\nb\n'''\nc = '#'\nd = \"\\\"#\"", "1:a=b\n 4:c=# 5:d=\"#"},
		{"a = { b = 1, c = [ 2 ] }\nd = 3", "1:a.b=1 1:a.c=2 2:d=3"},
		{"[t]\na = 1\n[t.u]\nb.c = 2\n\"d.e\" = '='", "2:t.a=1 4:t.u.b.c=2 5:t.u.d.e=="},
		{"'a b' = \"[\"\nc = ']'", "1:a b=[ 2:c=]"},
		{"a = true\nb = 1_000\nc = -5\nd = 0xff", "1:a=true 2:b=1000 3:c=-5 4:d=255"},
		{"a = []\nb = \"\"", "1:a= 2:b="},
		{"[[t]]\na = 1", "1:t= 2:t.a=1"},
		{"\n\n  [t]\n\n  a = 1", "5:t.a=1"},
	} {
		t.Run(c.text, func(t *testing.T) {
			path := write(t, c.text, 0o600)
			list, err := readConfig(path, "--config")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range list {
				if s.table && !s.array {
					continue
				}
				got = append(got, strings.TrimPrefix(s.where, path+":")+":"+s.name+"="+strings.Join(s.values, ","))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("%q, want %q", text, c.want)
			}
		})
	}
}

// The output of --print-config is a valid file with the same settings. It holds no key.
func TestPrintConfig(t *testing.T) {
	args := []string{"--addr", "127.0.0.1:1", "--addr", "[::1]:2", "--nodekeyhex", hexKey, "--sockets", "2", "--log-json", "--save-interval", "1m", "--datadir", `a "b" \c`}
	o := mustLoad(t, args, []string{"DISCV5_NAT=extip:192.0.2.1"})
	text := printConfig(o)
	if strings.Contains(text, hexKey) || !strings.Contains(text, `nat = "extip:192.0.2.1" # DISCV5_NAT`) || !strings.Contains(text, "# max-sessions = 131072\n") {
		t.Errorf("printed:\n%s", text)
	}
	again := mustLoad(t, []string{"--config", write(t, text, 0o600), "--nodekeyhex", hexKey}, nil)
	o.flags.VisitAll(func(f *pflag.Flag) {
		if now := again.flags.Lookup(f.Name).Value.String(); f.Name != "config" && now != f.Value.String() {
			t.Errorf("%s is %s, and read again %s", f.Name, f.Value, now)
		}
	})
}

func TestCheckAndPrintConfig(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--check-config", "--netrestrict", "10.0.0.0/8"}, "settings are good: 0 bootnodes, 0 bans, 1 netrestrict prefixes\n"},
		{[]string{"--print-config", "--sockets", "2"}, "sockets = 2 # --sockets\n"},
	} {
		dir := filepath.Join(t.TempDir(), "none")
		out, err := command(append(c.args, "--datadir", dir)...).Output()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%v: %v, %q", c.args, err, out)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%v made the data directory", c.args)
		}
	}
	// --check-config refuses what a start refuses, including mistakes in the files that settings
	// name.
	for want, args := range map[string][]string{
		"--netrestrict": {"--netrestrict", "lan"},
		"--http":        {"--http", "nowhere"},
		"--metrics":     {"--metrics", "nowhere"},
		"--nodekeyhex":  {"--nodekeyhex", hexKey[1:]},
		"--nodekey /":   {"--nodekey", write(t, "no key", 0o600)},
		"--nodekey:":    {"--nodekey", filepath.Join(t.TempDir(), "missing")},
	} {
		line := fail(t, cli.ExitUsage, append([]string{"--check-config"}, args...)...)
		if !strings.HasPrefix(line, "bootnode: "+want) || strings.Count(line, "\n") != 1 {
			t.Errorf("%v: %q", args, line)
		}
	}
}

// TestByteOrderMark: a byte order mark, which some editors write, is not part of the first entry.
func TestByteOrderMark(t *testing.T) {
	bans := write(t, byteOrderMark+"192.0.2.1\n", 0o600)
	boot := write(t, byteOrderMark+"# nobody\n", 0o600)
	o := mustLoad(t, []string{"--config", write(t, byteOrderMark+"sockets = 2\r\n", 0o600), "--ban-file", bans, "--bootnodes-file", boot}, nil)
	if o.sockets != 2 || len(o.bans) != 1 || len(o.sources) != 0 {
		t.Errorf("%d sockets, %d bans, %d bootnodes", o.sockets, len(o.bans), len(o.sources))
	}
}
