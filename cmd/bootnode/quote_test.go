package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/cli/clitest"
	"github.com/fastdisc/discv5/internal/quote"
)

// TestS47SettingsQuoteLittle: an error quotes at most 100 bytes of a flag, a variable, the
// configuration, or a file that these name.
func TestS47SettingsQuoteLittle(t *testing.T) {
	failed := 0
	check := func(what string, char string, args, environ []string) {
		t.Helper()
		_, err := load(args, environ)
		if err == nil {
			return
		}
		failed++
		if text := cli.OneLine(err); clitest.LongestRun(text, char) > quote.Max || len(text) > 2500 {
			t.Errorf("%s: %d bytes: %.300s", what, len(text), text)
		}
	}
	for _, junk := range []struct {
		char string
		text string
	}{{"7", strings.Repeat("7", 50_000)}, {"x", strings.Repeat("x", 300)}, {"ä", strings.Repeat("ä", 2000)}} {
		check("argument", junk.char, []string{junk.text}, nil)
		check("flag", junk.char, []string{"--" + junk.text}, nil)
		flagSet(&options{}).VisitAll(func(f *pflag.Flag) {
			check("--"+f.Name, junk.char, []string{"--" + f.Name + "=" + junk.text}, nil)
			check(envName(f.Name), junk.char, nil, []string{envName(f.Name) + "=" + junk.text})
			for _, line := range []string{f.Name + ` = "` + junk.text + `"`, f.Name + ` = ["` + junk.text + `"]`, f.Name + " = " + junk.text, f.Name + " = 1 " + junk.text} {
				check("configuration: "+f.Name, junk.char, []string{"--config", write(t, line+"\n", 0o600)}, nil)
			}
		})
		for _, text := range []string{junk.text + ` = "a"`, `"` + junk.text + `" = 1`, "[" + junk.text, junk.text} {
			check("configuration", junk.char, []string{"--config", write(t, text+"\n", 0o600)}, nil)
		}
		for _, text := range []string{junk.text, "enr:" + junk.text, "enode://" + junk.text, "enrtree://" + junk.text, "- enr:" + junk.text + " # x"} {
			check("bootnodes file", junk.char, []string{"--bootnodes-file", write(t, text+"\n", 0o600)}, nil)
			check("ban file", junk.char, []string{"--ban-file", write(t, text+"\n", 0o600)}, nil)
		}
	}
	if failed < 100 {
		t.Errorf("only %d errors", failed)
	}
}

// The bootnode reads lists as they are published: YAML with comments, JSON, one entry a line.
func TestBootnodesFileForms(t *testing.T) {
	const (
		one = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8"
		two = "enode://ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f@192.0.2.1:9000"
	)
	for name, text := range map[string]string{
		"YAML":            "# Mainnet bootnodes\n# ----\n- " + one + " # 192.0.2.1 | somewhere\n\n# others\n- " + two + "\n",
		"YAML with a key": "---\nbootnodes:\n  - \"" + one + "\" # here\n  - '" + two + "'\n...\n",
		"JSON":            "[\n  \"" + one + "\",\n  \"" + two + "\"\n]\n",
		"one a line":      one + "\n" + two + "\n",
		"commas":          one + "," + two,
		"20 MiB":          one + "\n" + strings.Repeat("# "+strings.Repeat("x", 1022)+"\n", 20<<10) + two + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			o, err := load([]string{"--bootnodes-file", write(t, text, 0o600)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(o.sources) != 2 || o.sources[0].text != one || o.sources[1].text != two {
				t.Errorf("%+v", o.sources)
			}
		})
	}
	if _, err := load([]string{"--bootnodes-file", write(t, "- "+one+"\n- nobody\n", 0o600)}, nil); err == nil || !strings.Contains(err.Error(), ":2: ") {
		t.Errorf("a bad entry: %v", err)
	}
}
