package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// A crawl marks the registrars of topics in the file, and counts them.
func TestCrawlMarksRegistrars(t *testing.T) {
	t.Parallel()
	nodes := swarm(t, "127.0.0.1:0", 3)
	boot := discv5.Contacts(nodes[0].LocalRecord())
	want := map[enr.ID]bool{}
	for range 2 {
		r := loopback(t, "127.0.0.1:0", func(c *discv5.Config) { c.Topics.Registrar, c.Bootnodes = true, boot })
		want[r.ID()] = true
	}
	until(t, "the first node knows all others", func() bool { return nodes[0].Stats().Live >= 4 })
	path := filepath.Join(t.TempDir(), "nodes.json")
	args := []string{"crawl", path, "--bootnodes", nodes[0].LocalRecord().String(), "--request-timeout", patient}
	if s := objects(t, args...)[0]; s["registrars"] != 2.0 || s["nodes"] != 5.0 {
		t.Errorf("summary %v", s)
	}
	set := readSet(t, path)
	if len(set) != 5 {
		t.Errorf("%d nodes", len(set))
	}
	for id, e := range set {
		if e.Registrar != want[id] {
			t.Errorf("node %s: %v", id, e.Registrar)
		}
	}
	if out := must(t, args...); !strings.Contains(out, ", 2 registrars of topics") {
		t.Errorf("%q", out)
	}
}

// A record marks a registrar by either spelling of the entry, and only with the known version. A
// file that says otherwise than its records does not count.
func TestRegistrarEntry(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		name   string
		change func(*enr.Builder)
		want   bool
	}{
		{"ng", func(b *enr.Builder) { b.SetTopicVersion(1) }, true},
		{"topic-discovery", func(b *enr.Builder) { b.SetUint("topic-discovery", 1) }, true},
		{"both", func(b *enr.Builder) { b.SetUint("topic-discovery", 1).SetTopicVersion(1) }, true},
		{"version 2", func(b *enr.Builder) { b.SetTopicVersion(2) }, false},
		{"version 0", func(b *enr.Builder) { b.SetUint("topic-discovery", 0) }, false},
		{"a list", func(b *enr.Builder) { b.Set("ng", []byte{0xc1, 1}) }, false},
		{"text", func(b *enr.Builder) { b.SetString("ng", "yes") }, false},
		{"none", func(*enr.Builder) {}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := enr.GenerateKey(strings.NewReader(strings.Repeat(string(rune('a'+i)), 256)))
			if err != nil {
				t.Fatal(err)
			}
			b := enr.NewBuilder()
			c.change(b)
			r, err := b.Sign(key)
			if err != nil {
				t.Fatal(err)
			}
			s := nodeSet{}
			s.answered(r, time.Unix(1e9, 0).UTC())
			if s[r.ID()].Registrar != c.want {
				t.Errorf("a node that answered: %v", s[r.ID()].Registrar)
			}
			// The file says the contrary.
			e := s[r.ID()]
			e.Registrar = !c.want
			s[r.ID()] = e
			text, err := s.encode()
			if err != nil {
				t.Fatal(err)
			}
			loaded, _, err := loadNodes(file(t, "nodes.json", string(text)))
			if err != nil || loaded[r.ID()].Registrar != c.want || loaded.registrars() != map[bool]int{true: 1}[c.want] {
				t.Errorf("read from a file: %+v, %v", loaded[r.ID()], err)
			}
			if got, _ := objects(t, "enr", "inspect", r.String())[0]["registrar"].(bool); got != c.want {
				t.Errorf("enr inspect: %v", got)
			}
		})
	}
	// The newest record decides.
	key, _ := enr.GenerateKey(strings.NewReader(strings.Repeat("z", 256)))
	first, _ := enr.NewBuilder().SetTopicVersion(1).SetSeq(1).Sign(key)
	second, _ := enr.NewBuilder().SetSeq(2).Sign(key)
	s := nodeSet{}
	s.answered(first, time.Unix(1e9, 0).UTC())
	s.answered(second, time.Unix(2e9, 0).UTC())
	if s.registrars() != 0 {
		t.Error("a node that is no registrar any more still counts")
	}
}
