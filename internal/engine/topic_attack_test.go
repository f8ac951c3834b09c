package engine

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/topic"
)

// T21: an observer who sees all datagrams of a network, and knows all node IDs, so that they can
// remove the masks of headers, sees neither a topic nor an ad. Nor does a topic change the record
// of its advertiser, and a registrar tells nothing to those who do not know the topic.
func TestT21TopicsAreNotVisible(t *testing.T) {
	nw := topicNetwork(t, 12, func(int) bool { return true })
	top := topic.Of("a secret service")
	advertiser, asker := nw.order[3], nw.order[7]
	before := bytes.Clone(advertiser.e.Record().Bytes())

	handshakes, messages := 0, 0
	shows := func(b []byte) bool {
		const part = 12 // bytes: a nonce has room for no more
		for i := range len(top) - part + 1 {
			if bytes.Contains(b, top[i:i+part]) {
				return true
			}
		}
		return bytes.Contains(b, []byte("a secret service"))
	}
	nw.Tap = func(_, to netip.AddrPort, b []byte) {
		n := nw.nodes[to]
		if n == nil {
			return
		}
		id := [32]byte(n.e.ID())
		datagram := bytes.Clone(b)
		var p codec.Packet
		if err := codec.NewDecoder(&id, codec.DefaultProtocol).Decode(datagram, &p); err != nil {
			t.Fatalf("datagram of %d bytes: %v", len(b), err)
		}
		switch p.Flag {
		case codec.FlagHandshake: // it has the sender's own record beside its message
			handshakes++
		case codec.FlagMessage:
			messages++
		}
		if shows(b) || shows(datagram) {
			t.Error("a datagram shows the topic or a part of it")
		}
		if bytes.Contains(p.Message, before[:80]) {
			t.Error("a message shows the advertiser's record")
		}
	}
	run := advertiser.advertise(top)
	nw.run(2 * time.Minute)
	found := asker.searchTopic(topic.SearchConfig{Topic: top}, time.Minute)
	if run.Status().Placed == 0 || !found[advertiser.e.ID()] || messages < 50 {
		t.Fatalf("%d ads are placed, %d advertisers were found, %d messages: this tests nothing", run.Status().Placed, len(found), messages)
	}
	t.Logf("%d messages, %d handshakes", messages, handshakes)
	if !bytes.Equal(advertiser.e.Record().Bytes(), before) {
		t.Error("advertising has changed the record")
	}

	// An outsider who does not know the topic cannot list it, wherever they ask.
	outsider := nw.add("99.0.0.1:9000", nil)
	near := top
	near[31] ^= 1
	for i, n := range nw.order[:len(nw.order)-1] {
		for name, other := range map[string]topic.Topic{"another": topic.Of("x"), "a near one": near, "zero": {}} {
			if r := outsider.query(n, other); r.Err != nil || len(r.Ads) != 0 {
				t.Errorf("node %d, topic %s: %d ads, %v", i, name, len(r.Ads), r.Err)
			}
		}
	}
	if found := outsider.searchTopic(topic.SearchConfig{Topic: near}, time.Minute); len(found) != 0 {
		t.Errorf("a search for a near topic finds %d advertisers", len(found))
	}
}

// T26: a NODES response brings no node without the capability entry, or with an unknown version,
// among those that wait to become candidates. These are few, and others would take their places.
func TestT26NamedLegacyNodes(t *testing.T) {
	nw := newNetwork(t)
	n, boot := nw.registrar("7.0.0.1:9000", nil), nw.registrar("8.0.0.1:9000", nil)
	capable, legacy := boot.fillTable(400)
	if len(capable) < 30 || len(legacy) < 30 {
		t.Fatalf("%d capable nodes and %d others are known: this tests nothing", len(capable), len(legacy))
	}
	n.w.Begin(nw.now)
	if _, err := n.w.StartSearch(topic.SearchConfig{Topic: topic.Of("x"), Stream: true}, 0, func() {}); err != nil {
		t.Fatal(err)
	}
	named, others := 0, 0
	for d := uint(256); d > 250; d-- {
		r := n.call(Request{Type: codec.TypeFindNode, Peer: boot.peer(), Distances: []uint{d}})
		for _, rec := range r.Records {
			if rec.SupportsTopics() {
				named++
			} else {
				others++
			}
		}
		rs := &n.e.topicRuns
		rs.freshMu.Lock()
		for _, c := range rs.fresh {
			if !c.Record.SupportsTopics() {
				t.Fatalf("%s waits to become a candidate and is not capable", c.Record.ID().Short())
			}
		}
		rs.freshMu.Unlock()
	}
	if named < 10 || others < 10 {
		t.Fatalf("%d capable nodes and %d others were named: this tests nothing", named, others)
	}
	nw.run(time.Second)
	rs := &n.e.topicRuns
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.pool.Nodes()) == 0 {
		t.Error("none of the capable nodes was kept")
	}
	for _, c := range rs.pool.Nodes() {
		if !c.Record.SupportsTopics() {
			t.Errorf("%s is in the pool and is not capable", c.Record.ID().Short())
		}
	}
}

// A registrar does not name the asker to itself, in an answer to either request, also where it
// knows nobody else.
func TestT14AskerIsNotAuxiliary(t *testing.T) {
	nw := newNetwork(t)
	var named [][]byte // asking nodes leave out themselves, so this is seen at the registrar
	b := nw.registrar("8.0.0.1:9000", func(c *Config) {
		c.Answer = func(_ codec.MessageType, _ enr.ID, _ []uint, honest [][]byte) [][]byte {
			named = append(named, honest...)
			return honest
		}
	})
	asker, other := nw.registrar("7.0.0.1:9000", nil), nw.registrar("9.0.0.1:9000", nil)
	var all []uint
	for d := uint(256); d > 256-codec.MaxTopicDistances; d-- {
		all = append(all, d)
	}
	for _, n := range []*node{asker, other} {
		n.ping(b)
		b.ping(n)
		if _, state, ok := b.e.table.Get(n.e.ID()); !ok || !state.Live {
			t.Fatal("the registrar does not know both nodes: this tests nothing")
		}
	}
	for i := range 20 {
		r := wiretest.Reader(uint64(i))
		var top topic.Topic
		_, _ = r.Read(top[:])
		for name, res := range map[string]Result{"query": asker.query(b, top, all...), "register": asker.registerAt(b, top, nil, all...)} {
			if res.Err != nil {
				t.Fatalf("%s: %v", name, res.Err)
			}
			if slices.ContainsFunc(named, func(r []byte) bool { return bytes.Equal(r, asker.e.Record().Bytes()) }) {
				t.Errorf("%s of topic %d: the asker is named to itself", name, i)
			}
			if len(res.Records) != 1 || res.Records[0].ID() != other.e.ID() {
				t.Errorf("%s of topic %d: %d auxiliary records, want that of the other node alone", name, i, len(res.Records))
			}
		}
	}
}
