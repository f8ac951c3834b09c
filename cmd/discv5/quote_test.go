package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/cli/clitest"
	"github.com/fastdisc/discv5/internal/quote"
)

// commands returns the commands that do something, by the words that call them.
func commands(c *cobra.Command, words []string) (list map[string]*cobra.Command) {
	list = map[string]*cobra.Command{}
	for _, sub := range c.Commands() {
		for name, s := range commands(sub, append(words[:len(words):len(words)], sub.Name())) {
			list[name] = s
		}
	}
	if len(c.Commands()) == 0 {
		list[strings.Join(words, " ")] = c
	}
	return list
}

// TestS47ErrorsQuoteLittle: an error quotes at most 100 bytes of an argument, a flag or a file.
func TestS47ErrorsQuoteLittle(t *testing.T) {
	if slowness > 1 {
		t.Skip("probed for the race detector: it makes two thousand runs of one goroutine take minutes")
	}
	id := strings.Repeat("11", 32)
	digits := strings.Repeat("7", 1_000_000)
	check := func(t *testing.T, chars string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		// for commands that wait
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		code := run(ctx, args, strings.NewReader(digits), &out, &errs)
		if clitest.LongestRun(errs.String(), chars) > quote.Max || errs.Len() > 2500 {
			t.Errorf("%.60q...: exit code %d, %d bytes of errors: %.300s", strings.Join(args, " "), code, errs.Len(), errs.String())
		}
	}
	t.Run("files", func(t *testing.T) {
		for name, text := range map[string]string{
			"a number of a million digits":   `{"` + id + `": {"seq": ` + digits + `}}`,
			"a number of 60,000 digits":      `{"` + id + `": {"seq": ` + digits[:60000] + `}}`,
			"a score of 1,000 digits":        `{"` + id + `": {"score": ` + digits[:1000] + `}}`,
			"text for a number":              `{"` + id + `": {"seq": "` + digits[:60000] + `"}}`,
			"a time":                         `{"` + id + `": {"lastCheck": "` + digits[:60000] + `"}}`,
			"a record":                       `{"` + id + `": {"record": "` + digits[:60000] + `"}}`,
			"a record of a million digits":   `{"` + id + `": {"record": "` + digits + `"}}`,
			"a node ID":                      `{"` + digits[:60000] + `": {}}`,
			"a node ID of a million digits":  `{"` + digits + `": {}}`,
			"a list":                         digits,
			"a list with one entry too long": goodRecord + "\n" + digits,
			"a list with a short one":        goodRecord + "\n" + digits[:1000],
			"a URL":                          "enode://" + digits,
			"a host name":                    "enode://" + strings.Repeat("77", 64) + "@" + digits[:1000] + ":1",
			"the URL of a list":              "enrtree://" + digits,
			"the URL of a list, short":       "enrtree://AM5FCQLWIZX2QFPNJAP7VUERCCRNGRHWZG3YYHIUV7BVDQ5FDPRT2@" + digits[:1000],
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				path := file(t, "f.json", text)
				if _, _, err := loadNodes(path); err == nil || clitest.LongestRun(err.Error(), "7") > quote.Max {
					t.Errorf("loadNodes: %.300v", err)
				}
				check(t, "7", "crawl", path, "--bootnodes", goodRecord, "--request-timeout", "1ms")
				check(t, "7", "enr", "inspect", "@"+path)
				check(t, "7", "dns", "make", "--key", testKey, "--domain", "a", "--seq", "1", "@"+path)
				check(t, "7", "lookup", "--request-timeout", "1ms", "--bootnodes", "@"+path)
				check(t, "7", "ping", "-c", "1", "--timeout", "1ms", "@"+path)
				check(t, "7", "packet", "decode", "--node-id", id, "@"+path)
				check(t, "7", "key", "inspect", path)
			})
		}
	})
	all := commands(newRoot(&tool{in: strings.NewReader(""), out: io.Discard, err: io.Discard}), nil)
	if len(all) < 12 {
		t.Fatalf("%d commands", len(all))
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(name)
			for _, junk := range []struct{ chars, text string }{{"7", digits[:100_000]}, {"x", strings.Repeat("x", 100_000)}, {"no character", strings.Repeat("\" x \\ ", 10_000)}, {"ä", strings.Repeat("ä", 1000)}} {
				for n := range 3 {
					args := words
					for range n {
						args = append(args[:len(args):len(args)], junk.text)
					}
					if n > 0 {
						check(t, junk.chars, args...)
					}
				}
				c.Flags().VisitAll(func(f *pflag.Flag) {
					check(t, junk.chars, append(words[:len(words):len(words)], "--"+f.Name+"="+junk.text)...)
					check(t, junk.chars, append(words[:len(words):len(words)], "--"+f.Name+"="+junk.text, goodRecord)...)
				})
				check(t, junk.chars, append(words[:len(words):len(words)], "--"+junk.text)...)
			}
		})
	}
}

// An error about a record with an entry that does not fit names the reason.
func TestS47EntryIsNamed(t *testing.T) {
	r := oddUDP(t)
	res := try(t, "ping", r.String())
	if res.code != cli.ExitUsage || !strings.Contains(res.err, "argument 1: enr: record has no UDP address: enr: entry \"udp\": port is zero") {
		t.Errorf("%+v", res)
	}
	o := objects(t, "enr", "inspect", r.String())[0]
	if list, ok := o["badEntries"].([]any); !ok || len(list) != 1 || o["valid"] != true || o["udp"] != nil {
		t.Errorf("%v", o)
	}
	if out := must(t, "enr", "inspect", r.String()); !strings.Contains(out, "entry \"udp\": port is zero") {
		t.Errorf("%s", out)
	}
}

// oddUDPText is a record with ip 127.0.0.1 and udp of 0.
const oddUDPText = "enr:-IK4QO4OTSqK3chg6MIU3DGDDxiCGf-K3udzQUHtVSmTtILtdjrtusW7w8UGgwfP62ocLCbWizU293csfxQayiggYioBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCA"

// oddUDP parses it.
func oddUDP(t testing.TB) *enr.Record {
	t.Helper()
	r, err := enr.ParseText(oddUDPText)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
