package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

// registrar starts a registrar of topics. scale is its factor of waiting times.
func registrar(t testing.TB, addr string, scale float64) *discv5.Node {
	t.Helper()
	return loopback(t, addr, func(c *discv5.Config) { c.Topics.Registrar, c.Topics.WaitScale = true, scale })
}

// placeAd has a new node place an ad at a registrar, and returns the node.
func placeAd(t testing.TB, at *discv5.Node, name string) *discv5.Node {
	t.Helper()
	from := loopback(t, "127.0.0.1:0", nil)
	c, err := from.RegisterTopic(t.Context(), discv5.ContactOf(at.LocalRecord()), discv5.TopicOf(name), nil)
	if err != nil || !c.Placed {
		t.Fatalf("%+v, %v", c, err)
	}
	return from
}

func TestTopicID(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("a1", 32)
	for _, c := range []struct {
		arg, id, name string // id is empty if the argument is wrong
		says          string
	}{
		{"test", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "test", ""},
		{"name:test", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "test", ""},
		{digits, digits, "", ""},
		{"0x" + digits, digits, "", ""},
		{"0X" + strings.ToUpper(digits), digits, "", ""},
		{"name:" + digits, discv5.TopicOf(digits).String(), digits, ""},
		{"name:0x12", discv5.TopicOf("0x12").String(), "0x12", ""},
		{"name:enr:x", discv5.TopicOf("enr:x").String(), "enr:x", ""},
		{"name:name:x", discv5.TopicOf("name:x").String(), "name:x", ""},
		{"name:-", discv5.TopicOf("-").String(), "-", ""},
		{"two words", discv5.TopicOf("two words").String(), "two words", ""},
		{"größe", discv5.TopicOf("größe").String(), "größe", ""},
		// digits, and too few for a mistake
		{"abc123", discv5.TopicOf("abc123").String(), "abc123", ""},
		{strings.Repeat("x", 1024), discv5.TopicOf(strings.Repeat("x", 1024)).String(), strings.Repeat("x", 1024), ""},
		{"", "", "", "is empty"},
		{"name:", "", "", "is empty"},
		{digits[1:], "", "", "not 64 hexadecimal digits"},
		{digits + "0", "", "", "not 64 hexadecimal digits"},
		{"0x" + digits[2:], "", "", "not 64 hexadecimal digits"},
		{"0x", "", "", "not 64 hexadecimal digits"},
		{"0xzz", "", "", "not 64 hexadecimal digits"},
		{"0x" + strings.Repeat("g", 64), "", "", "not 64 hexadecimal digits"},
		{"enr:abc", "", "", "not a topic; write name:TEXT"},
		{"enode://x", "", "", "not a topic"},
		{"@file", "", "", "not a topic"},
		{"-", "", "", "not a topic"},
		{"a\nb", "", "", "control characters"},
		{"\x1b[31m", "", "", "control characters"},
		{"\xff\xfe", "", "", "not in UTF-8"},
		{strings.Repeat("x", 1025), "", "", "1025 bytes, more than 1024"},
	} {
		t.Run(c.arg[:min(len(c.arg), 12)], func(t *testing.T) {
			r := try(t, "topic", "id", "--json", c.arg)
			if c.id == "" {
				if r.code != cli.ExitUsage {
					t.Errorf("exit code %d", r.code)
				}
				checkLine(t, r, c.says)
				return
			}
			o := parseObjects(t, r.out)
			if r.code != cli.ExitOK || len(o) != 1 || o[0]["topic"] != c.id || c.name != "" && o[0]["name"] != c.name || c.name == "" && o[0]["name"] != nil {
				t.Errorf("%+v", r)
			}
		})
	}
	if out := must(t, "topic", "id", "a", "b"); out != discv5.TopicOf("a").String()+"\n"+discv5.TopicOf("b").String()+"\n" {
		t.Errorf("%q", out)
	}
	if r := try(t, "topic", "id", "a", ""); r.code != cli.ExitUsage || r.out != "" || !strings.Contains(r.err, "argument 2: ") {
		t.Errorf("%+v", r)
	}
}

func TestTopicQuery(t *testing.T) {
	t.Parallel()
	reg := registrar(t, "127.0.0.1:0", 1)
	ad := placeAd(t, reg, "test")
	// another registrar, which the first one names
	other := loopback(t, "127.0.0.1:0", func(c *discv5.Config) {
		c.Topics.Registrar, c.Bootnodes = true, discv5.Contacts(reg.LocalRecord())
	})
	until(t, "the registrar knows another one", func() bool {
		return slices.ContainsFunc(reg.Nodes(), func(n discv5.KnownNode) bool { return n.Live && n.Record.ID() == other.ID() })
	})
	for name, node := range forms(t, reg) {
		t.Run(name, func(t *testing.T) {
			o := objects(t, "topic", "query", node, "test", "-W", patient)
			d := float64(enr.LogDistance(enr.ID(discv5.TopicOf("test")), ad.ID()))
			if len(o) != 1 || o[0]["kind"] != "ad" || o[0]["nodeId"] != ad.ID().String() || o[0]["record"] != ad.LocalRecord().String() || o[0]["distance"] != d {
				t.Errorf("%v", o)
			}
		})
	}
	text := reg.LocalRecord().String()
	if out := must(t, "topic", "query", text, discv5.TopicOf("test").String(), "-W", patient); out != ad.LocalRecord().String()+"\n" {
		t.Errorf("%q", out)
	}
	out := must(t, "topic", "query", text, "test", "-W", patient, "-d", "256-220")
	if out != ad.LocalRecord().String()+"\nregistrar "+other.LocalRecord().String()+"\n" {
		t.Errorf("%q", out)
	}
	if r := try(t, "topic", "query", text, "nobody", "-W", patient); r.code != cli.ExitOK || r.out != "" || r.err != "0 ads, 0 registrars\n" {
		t.Errorf("%+v", r)
	}
}

// noRegistrars are nodes that get no ads: by what they are, the argument that names them, and what
// the error says.
func noRegistrars(t *testing.T) map[string][2]string {
	t.Helper()
	plain, former, silent := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil), silence(t)
	e, _ := plain.LocalRecord().Enode()
	key, _ := keys.Load(former.ID())
	at := former.Addrs()[0]
	record := func(version uint64, seq uint64) string {
		r, err := enr.NewBuilder().SetIP(at.Addr()).SetUDP(at.Port()).SetTopicVersion(version).SetSeq(seq).Sign(key.(*enr.PrivateKey))
		if err != nil {
			t.Fatal(err)
		}
		return r.String()
	}
	return map[string][2]string{
		"a node without the entry":       {plain.LocalRecord().String(), "is no registrar of topics"},
		"the enode URL of such a node":   {e.String(), "is no registrar of topics"},
		"a node that was a registrar":    {record(enr.TopicVersion, 1), "is no registrar of topics"},
		"an unknown version":             {record(enr.TopicVersion+1, 1), "is no registrar of topics"},
		"a node that never answers":      {silent.String(), "no answer in time"},
		"a registrar that never answers": {silentRegistrar(t).String(), "no answer in time"},
	}
}

// silentRegistrar returns the record of a registrar that never answers.
func silentRegistrar(t *testing.T) *enr.Record {
	t.Helper()
	at, _ := silence(t).UDPEndpoint4()
	key, err := enr.GenerateKey(strings.NewReader(strings.Repeat("silent registrar", 32)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := enr.NewBuilder().SetIP(at.Addr()).SetUDP(at.Port()).SetTopicVersion(enr.TopicVersion).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A node that is not a registrar, or does not answer, is a failure in one line. Nodes that do not
// say that they are registrars get no topic message.
func TestTopicTargets(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{{"query", "-W"}, {"register", "--request-timeout"}} {
		for name, c := range noRegistrars(t) {
			t.Run(command[0]+" "+name, func(t *testing.T) {
				t.Parallel()
				r := try(t, "topic", command[0], c[0], "test", "--json", command[1], hasty)
				if r.code != cli.ExitFailed {
					t.Errorf("exit code %d", r.code)
				}
				checkLine(t, r, c[1])
			})
		}
	}
	plain := loopback(t, "127.0.0.1:0", nil)
	try(t, "topic", "query", plain.LocalRecord().String(), "test", "-W", patient)
	if n, ok := discv5.FindCounter("messages_received_total", "topicquery"); !ok || plain.Stats().Counters[n] != 0 {
		t.Errorf("a node that is no registrar got a query (%v)", ok)
	}
}

// Bad topics and flags of the topic commands end with exit code 2 before anything is sent.
func TestTopicBadInput(t *testing.T) {
	t.Parallel()
	many := "advertise --bootnodes " + goodRecord
	for i := range 33 {
		many += fmt.Sprintf(" topic%d", i)
	}
	for _, c := range []struct{ args, says string }{
		{"nosuch", `argument 1: "nosuch" is not a command of discv5 topic`},
		{"serach x", "did you mean search?"},
		{"id", "argument 1 is missing: TOPIC"},
		{"query", "argument 1 is missing: NODE"},
		{"query " + goodRecord, "argument 2 is missing: TOPIC"},
		{"query chat " + goodRecord, "argument 2: \"enr:"},
		{"query nonsense chat", `argument 1: "nonsense" is not a record`},
		{"query " + goodRecord + " 0x12", `argument 2: "0x12": not 64`},
		{"query " + goodRecord + " chat extra", `argument 3: unexpected "extra"`},
		{"query " + goodRecord + " chat -d 257", `--distance: "257"`},
		{"query " + goodRecord + " chat -d 0", "--distance: no registrar is at distance 0"},
		{"query " + goodRecord + " chat -d 1-65", "--distance: 65 distances, more than 64"},
		{"query " + goodRecord + " chat -W 0", "the time to wait"},
		{"register " + goodRecord + " chat --extip here", `--extip: "here"`},
		{"register " + goodRecord + " chat --timeout soon", "want seconds"},
		{"register " + goodRecord + " chat --timeout -1s", "--timeout"},
		{"advertise", "argument 1 is missing: TOPIC..."},
		{"advertise chat", "--bootnodes is missing"},
		{"advertise chat 0x --bootnodes " + goodRecord, `argument 2: "0x"`},
		{many, "33 topics, more than 32"},
		{"search", "argument 1 is missing: TOPIC"},
		{"search chat", "--bootnodes is missing"},
		{"search chat --limit -1 --bootnodes " + goodRecord, "--limit -1"},
		{"search chat --limit x --bootnodes " + goodRecord, "--limit"},
		{"search a b --bootnodes " + goodRecord, `argument 2: unexpected "b"`},
		{"search @topic --bootnodes " + goodRecord, `argument 1: "@topic": not a topic`},
	} {
		t.Run(c.args[:min(len(c.args), 30)], func(t *testing.T) {
			r := try(t, append([]string{"topic"}, strings.Fields(c.args)...)...)
			if r.code != cli.ExitUsage {
				t.Errorf("exit code %d, want %d", r.code, cli.ExitUsage)
			}
			checkLine(t, r, c.says)
		})
	}
}

// Waiting times of TestTopicRegister: the second ad of the only topic waits for about 909 s times
// the scale, and a wait of up to a second is none.
const twoSeconds = 0.0022

func TestTopicRegister(t *testing.T) {
	t.Parallel()
	t.Run("admitted", func(t *testing.T) {
		t.Parallel()
		reg := registrar(t, "127.0.0.1:0", 1)
		for name, node := range forms(t, reg) {
			o := objects(t, "topic", "register", node, "by "+name, "--request-timeout", patient)
			if len(o) != 1 || o[0]["event"] != "admitted" || o[0]["lifeMs"] != 900000.0 || o[0]["nodeId"] != reg.ID().String() ||
				o[0]["number"] != 1.0 || o[0]["topic"] != discv5.TopicOf("by "+name).String() {
				t.Errorf("%v", o)
			}
		}
		if s := reg.TopicStats(); s.Ads != 3 {
			t.Errorf("%d ads", s.Ads)
		}
		ad := reg.TopicAds(discv5.TopicOf("by record"))[0]
		if ip, ok := ad.IP4(); !ok || !ip.IsLoopback() {
			t.Errorf("the ad names %v", ip)
		}
	})
	t.Run("after a wait", func(t *testing.T) {
		t.Parallel()
		reg := registrar(t, "127.0.0.1:0", twoSeconds)
		placeAd(t, reg, "test")
		o := objects(t, "topic", "register", reg.LocalRecord().String(), "test", "--request-timeout", patient)
		if len(o) < 2 || o[0]["event"] != "waiting" || o[0]["waitMs"].(float64) < 1000 || len(o[0]["ticket"].(string)) != 98 {
			t.Fatalf("%v", o)
		}
		if last := o[len(o)-1]; last["event"] != "admitted" || last["number"] != float64(len(o)) || last["waitedMs"].(float64) < o[0]["waitMs"].(float64) {
			t.Errorf("%v", o)
		}
		if n := len(reg.TopicAds(discv5.TopicOf("test"))); n != 2 {
			t.Errorf("%d ads", n)
		}
	})
	t.Run("in words", func(t *testing.T) {
		t.Parallel()
		reg := registrar(t, "127.0.0.1:0", twoSeconds)
		placeAd(t, reg, "test")
		out := must(t, "topic", "register", reg.LocalRecord().String(), "test", "--request-timeout", patient)
		if !strings.HasPrefix(out, "the registrar wants a wait of ") || !strings.Contains(out, " (request 1); ticket of 49 bytes\n") || !strings.Contains(out, "\nadmitted for 15m0s, with request ") {
			t.Errorf("%q", out)
		}
	})
	// A quote that is longer than the time that is left fails immediately, and says so.
	t.Run("too long a wait", func(t *testing.T) {
		t.Parallel()
		reg := registrar(t, "127.0.0.1:0", 1)
		placeAd(t, reg, "test")
		began := time.Now()
		r := try(t, "topic", "register", reg.LocalRecord().String(), "test", "--json", "--timeout", "10m", "--request-timeout", patient)
		o := parseObjects(t, r.out)
		if r.code != cli.ExitFailed || !strings.Contains(r.err, "not admitted: the registrar wants 15m0s more, longer than --timeout allows") || len(o) != 1 || o[0]["event"] != "waiting" {
			t.Errorf("%+v", r)
		}
		if d := time.Since(began); d > 5*time.Minute {
			t.Errorf("it took %s", d)
		}
		if n := len(reg.TopicAds(discv5.TopicOf("test"))); n != 1 {
			t.Errorf("%d ads", n)
		}
	})
	// The registrar does not say why it refuses an ad. The tool says what it may be.
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		reg := registrar(t, "127.0.0.1:0", 1)
		r := try(t, "topic", "register", reg.LocalRecord().String(), "test", "--json", "--extip", "127.0.0.7", "--request-timeout", hasty)
		if r.code != cli.ExitFailed || r.out != "" || !strings.Contains(r.err, "answers other requests, but not this one: it refuses an ad if the record does not name the address") {
			t.Errorf("%+v", r)
		}
		if s := reg.TopicStats(); s.Ads != 0 {
			t.Errorf("%d ads", s.Ads)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		if runtime.GOOS == "windows" {
			t.Skip("probed for SIGINT between processes: this platform has none")
		}
		reg := registrar(t, "127.0.0.1:0", 1)
		placeAd(t, reg, "test")
		p := start(t, "topic", "register", reg.LocalRecord().String(), "test", "--request-timeout", patient)
		p.first(t) // it waits for a quarter of an hour
		p.interrupt(t)
		if code, _ := p.wait(t); code != cli.ExitFailed || p.Log.String() != "discv5: interrupted\n" {
			t.Errorf("exit code %d, %q", code, p.Log.String())
		}
	})
}
