package main

import (
	"context"
	"encoding/hex"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

// forms are the ways to name a node.
func forms(t *testing.T, n *discv5.Node) map[string]string {
	t.Helper()
	text := n.LocalRecord().String()
	e, ok := n.LocalRecord().Enode()
	if !ok {
		t.Fatal("record has no enode form")
	}
	return map[string]string{"record": text, "enode": e.String(), "file": "@" + file(t, "node", text+"\n")}
}

func TestPing(t *testing.T) {
	t.Parallel()
	for _, addr := range families {
		n := loopback(t, addr, nil)
		for name, arg := range forms(t, n) {
			t.Run(addr+" "+name, func(t *testing.T) {
				list := objects(t, "ping", "-W", patient, "-c", "2", "-i", "0", arg)
				if len(list) != 3 {
					t.Fatalf("%d objects", len(list))
				}
				if p := list[1]; p["event"] != "pong" || p["number"] != 2.0 || p["addr"] != n.Addrs()[0].String() || p["rttMs"] == nil ||
					p["enrSeq"] != float64(n.LocalRecord().Seq()) || p["endpoint"] == "" {
					t.Errorf("second answer: %v", p)
				}
				if s := list[2]; s["event"] != "summary" || s["sent"] != 2.0 || s["received"] != 2.0 || s["lossPercent"] != 0.0 || s["rttMs"] == nil || s["nodeId"] != n.ID().String() {
					t.Errorf("summary: %v", s)
				}
			})
		}
		out := must(t, "ping", "-W", patient, "-c", "1", n.LocalRecord().String())
		for _, want := range []string{"PING " + n.ID().String(), "PONG from " + n.Addrs()[0].String(), "1 sent, 1 received, 0% loss", "rtt min/avg/max/mdev"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
}

// silence returns the record of a node that never answers.
func silence(t testing.TB) *enr.Record {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	key, err := enr.GenerateKey(strings.NewReader(strings.Repeat(t.Name(), 32)))
	if err != nil {
		t.Fatal(err)
	}
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	r, err := enr.NewBuilder().SetIP(at.Addr()).SetUDP(at.Port()).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	r := silence(t)
	text := r.String()
	for _, args := range [][]string{
		{"ping", "-c", "2", "-i", "0", "-W", "0.1", text},
		{"findnode", "-W", "100ms", text}, {"talk", "-W", "100ms", "-p", "x", text}, {"resolve", "-W", "100ms", text},
		{"resolve", "-W", "100ms", "--bootnodes", text, text}, {"lookup", "-W", "100ms", "--bootnodes", text},
	} {
		res := try(t, args...)
		last := res.err[strings.LastIndex(strings.TrimSpace(res.err), "\n")+1:]
		if res.code != cli.ExitFailed || !strings.HasPrefix(last, "discv5: ") || !strings.Contains(last, "no answer in time") {
			t.Errorf("%v: %+v", args, res)
		}
	}
	res := try(t, "ping", "-c", "2", "-i", "0", "-W", "100ms", "--json", text)
	if list := parseObjects(t, res.out); len(list) != 3 || list[0]["event"] != "lost" || list[2]["lossPercent"] != 100.0 {
		t.Errorf("%+v", res)
	}
}

func TestFindNode(t *testing.T) {
	t.Parallel()
	for _, addr := range families {
		boot := loopback(t, addr, nil)
		other := loopback(t, addr, func(c *discv5.Config) { c.Bootnodes = discv5.Contacts(boot.LocalRecord()) })
		until(t, "the bootnode has checked the other node", func() bool { return boot.Stats().Live == 1 })
		text := boot.LocalRecord().String()
		for _, args := range [][]string{{"-d", "256-200"}, {"--each", "-d", "200-256"}} {
			list := objects(t, append([]string{"findnode", "-W", patient, text}, args...)...)
			if len(list) != 1 || list[0]["nodeId"] != other.ID().String() || list[0]["distance"] != float64(enr.LogDistance(boot.ID(), other.ID())) {
				t.Errorf("findnode %v: %v", args, list)
			}
		}
		if out := must(t, "findnode", "-W", patient, "-d", "0", text); strings.TrimSpace(out) != text {
			t.Errorf("distance 0: %q", out)
		}
		if out := must(t, "findnode", "-W", patient, "-d", "1,2", text); out != "" {
			t.Errorf("empty buckets: %q", out)
		}
	}
}

func TestTalk(t *testing.T) {
	t.Parallel()
	for _, addr := range families {
		n := loopback(t, addr, nil)
		n.HandleTalk("echo", func(_ context.Context, r discv5.TalkRequest) []byte { return append(r.Payload, '!') })
		n.HandleTalk("\x50\x0a", func(context.Context, discv5.TalkRequest) []byte { return []byte{1} })
		text := n.LocalRecord().String()
		want := hex.EncodeToString([]byte("hello!"))
		for _, args := range [][]string{{"hello"}, {"0x68656c6c6f"}, {"--hex", "68656c6c6f"}, {"@" + file(t, "payload", "hello")}} {
			if out := must(t, append([]string{"talk", "-W", patient, "-p", "echo", text}, args...)...); strings.TrimSpace(out) != want {
				t.Errorf("talk %v: %q", args, out)
			}
		}
		if r := tryInput(t, "hello", "talk", "-W", patient, "--raw", "-p", "echo", text, "-"); r.out != "hello!" {
			t.Errorf("raw: %+v", r)
		}
		if o := objects(t, "talk", "-W", patient, "-p", "0x500a", text)[0]; o["payload"] != "01" || o["protocol"] != "0x500a" || o["size"] != 1.0 {
			t.Errorf("%v", o)
		}
		if r := try(t, "talk", "-W", patient, "-p", "unknown", text); r.code != cli.ExitOK || r.out != "\n" || !strings.Contains(r.err, "empty") {
			t.Errorf("unknown protocol: %+v", r)
		}
	}
}

func TestContactFlags(t *testing.T) {
	t.Parallel()
	private := func(c *discv5.Config) { c.Protocol, _ = parseProtocol("mynet1") }
	n := loopback(t, "127.0.0.1:0", private)
	text := n.LocalRecord().String()
	if r := try(t, "ping", "-c", "1", "-W", "100ms", text); r.code != cli.ExitFailed {
		t.Errorf("ping into another network: %+v", r)
	}
	must(t, "ping", "-W", patient, "-c", "1", "--protocol-id", "mynet1", text)

	plain := loopback(t, "127.0.0.1:0", nil)
	key, err := enr.ParsePrivateKeyHex(testKey)
	if err != nil {
		t.Fatal(err)
	}
	must(t, "ping", "-W", patient, "-c", "1", "--key", testKey, "--addr", "127.0.0.1:0", plain.LocalRecord().String())
	if _, ok := plain.Known(key.ID()); !ok {
		t.Error("the node does not know the key given")
	}
	if r := try(t, "ping", "-c", "1", "--addr", "[::1]:0", text); r.code != cli.ExitFailed {
		t.Errorf("ping over another family: %+v", r)
	}
}

// Every command warns about a bootnode that this node cannot contact.
func TestUnusableBootnodeIsNamed(t *testing.T) {
	t.Parallel()
	live, other := loopback(t, "127.0.0.1:0", nil), loopback(t, "[::1]:0", nil)
	boot := other.LocalRecord().String() + "," + live.LocalRecord().String()
	r := try(t, "lookup", "--addr", "127.0.0.1:0", "-W", patient, "--bootnodes", boot)
	if r.code != cli.ExitOK || !strings.Contains(r.err, "discv5: bootnode 1, node "+other.ID().Short()) || strings.Contains(r.err, "bootnode 2") {
		t.Errorf("%+v", r)
	}
	path := filepath.Join(t.TempDir(), "nodes.json")
	out := must(t, "crawl", path, "--addr", "127.0.0.1:0", "--request-timeout", patient, "--bootnodes", boot)
	if !strings.Contains(out, "1 answered") || !strings.Contains(out, "1 skipped because of a bad record or an address that is out of reach") {
		t.Errorf("%s", out)
	}
}
