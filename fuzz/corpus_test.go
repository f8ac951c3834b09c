package fuzz

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

var update = flag.Bool("update", false, "write new seed corpora")

// corpora are the seed files, by path from the root of the module: packets of the published vectors
// and of a conversation between two engines, in clear and opened, and the records that go with
// them.
type corpora map[string]string

// add adds a seed to a target. The values are what the target takes.
func (c corpora) add(target, name string, values ...any) {
	text := "go test fuzz v1\n"
	for _, v := range values {
		switch v := v.(type) {
		case []byte:
			text += fmt.Sprintf("[]byte(%q)\n", v)
		case byte:
			text += fmt.Sprintf("byte('\\x%02x')\n", v)
		default:
			text += fmt.Sprintf("%T(%v)\n", v, v)
		}
	}
	dir, fn := filepath.Split(target)
	c[filepath.Join(dir, "testdata", "fuzz", fn, name)] = text
}

func (c corpora) packet(name string, clear []byte) {
	c.add("codec/FuzzDecodePacket", name, clear)
	c.add("fuzz/diff/FuzzPacket", name, clear)
}

func (c corpora) message(name string, plaintext []byte) {
	c.add("codec/FuzzDecodeMessage", name, plaintext)
	c.add("fuzz/diff/FuzzMessage", name, plaintext)
	c.add("fuzz/FuzzMessage", name, plaintext, []byte{}, uint64(len(plaintext)))
	if len(plaintext) < 800 {
		c.add("fuzz/FuzzHandshake", name, plaintext, []byte{}, byte(0), uint64(len(plaintext)))
	}
}

func (c corpora) record(name string, r *enr.Record) {
	c.add("enr/FuzzParse", name, r.Bytes())
	c.add("fuzz/diff/FuzzRecord", name, r.Bytes(), false)
}

// TestCorpora: the seed files are there. Targets run them. With -update the test writes new
// ones. The random numbers that an engine draws may change, so the files may differ from those that
// it would write today.
func TestCorpora(t *testing.T) {
	c := corpora{}
	c.vectors(t)
	c.conversation(t)
	root := ".."
	for path, text := range c {
		path = filepath.Join(root, path)
		if !*update {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%v; go test ./fuzz -run TestCorpora -update writes it", err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// vectorFile is codec/testdata/wire.json.
type vectorFile struct {
	Keys    struct{ A, B string }
	Packets []struct {
		Name   string
		Packet string
	}
}

func loadVectors(t *testing.T) (v vectorFile) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "codec", "testdata", "wire.json"))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(`"node_`), []byte(`"`))
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// clearPacket decodes a packet, and returns it without its mask too.
func clearPacket(t *testing.T, datagram []byte, dest [32]byte) (codec.Packet, []byte) {
	t.Helper()
	var p codec.Packet
	if err := codec.NewDecoder(&dest, codec.DefaultProtocol).Decode(bytes.Clone(datagram), &p); err != nil {
		t.Fatal(err)
	}
	return p, append(bytes.Clone(p.AD), p.Message...)
}

func (c corpora) vectors(t *testing.T) {
	v := loadVectors(t)
	b, err := enr.ParsePrivateKeyHex(v.Keys.B)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Packets) < 4 {
		t.Fatalf("%d vectors", len(v.Packets))
	}
	for i, p := range v.Packets {
		datagram, err := hex.DecodeString(strings.TrimPrefix(p.Packet, "0x"))
		if err != nil {
			t.Fatal(err)
		}
		_, clear := clearPacket(t, datagram, b.ID())
		c.packet(fmt.Sprintf("vector-%d", i+1), clear)
	}
}

// conversation lets two engines that have the keys of the vectors talk: handshake, all messages,
// the largest ones, and NODES with records of every kind of address.
func (c corpora) conversation(t *testing.T) {
	v := loadVectors(t)
	n := newNet(t, &script{})
	for i, hex := range []string{v.Keys.A, v.Keys.B} {
		k, err := enr.ParsePrivateKeyHex(hex)
		if err != nil {
			t.Fatal(err)
		}
		n.nodes[i] = n.restart(n.nodes[i], k)
		c.record(fmt.Sprintf("node-%d", i+1), n.nodes[i].e.Record())
	}
	a, b := n.nodes[0], n.nodes[1]
	distances := []uint{0}
	for i, id := range identities() {
		c.record(fmt.Sprintf("identity-%d", i+1), id.rec)
		if b.e.Table().Add(n.now, table.NewNode(id.rec, id.addr, false)) == table.Added && b.e.Table().MarkLive(n.now, id.rec.ID(), id.addr) {
			distances = append(distances, uint(enr.LogDistance(b.key.ID(), id.rec.ID())))
		}
	}
	number := 0
	seen := func(d wiretest.Datagram) {
		number++
		to, from := a, b
		if d.To == b.addr {
			to, from = b, a
		}
		p, clear := clearPacket(t, d.B, to.id())
		c.packet(fmt.Sprintf("talk-%02d-%s", number, [...]string{"message", "whoareyou", "handshake"}[p.Flag]), clear)
		id := from.id()
		key := session.MakeKey(from.addr, &id)
		f, ok := to.e.Sessions().Lookup(&key, to.e.Sessions().Hash(&key))
		if !ok {
			return
		}
		for _, k := range []*session.Keys{f.Current, f.Next} {
			if k == nil || p.Flag == codec.FlagWhoareyou {
				continue
			}
			if m, err := k.Open(&p.Nonce, bytes.Clone(p.Message), p.AD); err == nil {
				c.message(fmt.Sprintf("talk-%02d-%s", number, codec.MessageType(m[0])), m)
			}
		}
	}
	peer := func(d *node) engine.Peer {
		return engine.Peer{ID: d.key.ID(), PublicKey: d.key.PublicKey(), Addr: d.addr, Record: d.e.Record()}
	}
	for _, r := range []engine.Request{
		{Type: codec.TypePing}, {Type: codec.TypeFindNode, Distances: distances}, {Type: codec.TypeTalkRequest, Protocol: []byte("p"), Payload: []byte("hello")},
		{Type: codec.TypeTalkRequest, Protocol: []byte("unknown"), Payload: make([]byte, codec.MaxTalkRequest-7)},
	} {
		r.Peer, r.Done = peer(b), func(*engine.Worker, engine.Result) {}
		a.w.Begin(n.now)
		a.w.Start(r)
		for len(n.Queue) > 0 {
			d := n.Queue[0]
			n.settleOne()
			seen(d)
		}
	}
	if number < 9 {
		t.Fatalf("%d packets", number)
	}
}

// restart gives a node another key.
func (n *net) restart(d *node, k *enr.PrivateKey) *node {
	d.key, d.rec = k, endpointRecord(k, d.addr)
	e, err := engine.New(engine.Config{
		Key: k, Record: d.rec, IPv4: true, IPv6: true, Random: wiretest.Reader(uint64(k.ID()[0])), Talk: talker{}, DetectAddress: -1,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	d.e = e
	if d.w, err = e.NewWorker(d, 1); err != nil {
		n.t.Fatal(err)
	}
	return d
}

// settleOne lets the oldest datagram arrive, and does the work that it causes.
func (n *net) settleOne() {
	n.arrive(0)
	for _, d := range n.nodes {
		for d.w.RunTask() {
		}
	}
}
