package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/internal/dnstest"
)

// With --json, every command prints objects only, one a line. A new command needs an entry here.
func TestJSONEverywhere(t *testing.T) {
	t.Parallel()
	nodes := swarm(t, "127.0.0.1:0", 3)
	boot := nodes[0].LocalRecord().String()
	dns, dir := dnstest.Start(t), t.TempDir()
	reg := registrar(t, "127.0.0.1:0", 1)
	placeAd(t, reg, "service")
	topics := reg.LocalRecord().String()
	url := publish(t, dns, listDomain, goodRecord)
	packet, key := vectors(t)[0].Packet, file(t, "old.key", testKey)
	set, _ := someNodes(t)
	args := map[string][]string{
		"key generate":    {filepath.Join(dir, "new.key")},
		"key inspect":     {key},
		"key convert":     {key, filepath.Join(dir, "raw.key")},
		"enr inspect":     {goodRecord},
		"enr make":        {"--key", testKey},
		"enr convert":     {goodRecord},
		"ping":            {boot, "-c", "1", "-W", patient},
		"findnode":        {boot, "-d", "0", "-W", patient},
		"talk":            {boot, "-p", "p", "-W", patient, "hello"},
		"resolve":         {boot, "-W", patient},
		"lookup":          {"--bootnodes", boot, "-W", patient},
		"crawl":           {filepath.Join(dir, "nodes.json"), "--bootnodes", boot, "--request-timeout", patient},
		"dns resolve":     {url, "--dns", dns.Addr()},
		"dns check":       {url, "--dns", dns.Addr()},
		"dns make":        {"--key", testKey, "--domain", listDomain, "--seq", "1", goodRecord},
		"packet decode":   {packet, "--node-id", vectorNode},
		"topic id":        {"service"},
		"topic query":     {topics, "service", "-W", patient},
		"topic search":    {"service", "--bootnodes", topics, "-n", "1", "--request-timeout", patient},
		"topic register":  {topics, "other", "--request-timeout", patient},
		"dns publish":     {"--key", testKey, "--domain", listDomain, "--seq", "1", "--zone-file", filepath.Join(dir, "zone"), goodRecord},
		"nodeset info":    {set},
		"nodeset filter":  {set},
		"nodeset sort":    {set},
		"nodeset merge":   {set, set},
		"listen":          nil, // runs until a signal: see TestListenJSON
		"topic advertise": nil, // see TestTopicsEndToEnd
	}
	var visit func(c *cobra.Command, path string)
	visit = func(c *cobra.Command, path string) {
		for _, sub := range c.Commands() {
			if name := sub.Name(); name != "help" && name != "completion" {
				visit(sub, strings.TrimSpace(path+" "+name))
			}
		}
		if c.HasSubCommands() {
			return
		}
		a, ok := args[path]
		if !ok {
			t.Errorf("%s: not looked at", path)
		}
		if a != nil && len(objects(t, append(strings.Fields(path), a...)...)) == 0 {
			t.Errorf("%s: no object", path)
		}
		delete(args, path)
	}
	visit(newRoot(&tool{}), "")
	if len(args) > 0 {
		t.Errorf("no such commands: %v", args)
	}
}
