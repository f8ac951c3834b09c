package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/proctest"
)

// Three processes: a bootnode that is a registrar, an advertiser, and a search that finds the
// advertiser. The bootnode's page and metrics show it.
func TestTopicsEndToEnd(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	bootnode := filepath.Join(t.TempDir(), "bootnode")
	if err := proctest.Build(bootnode, "../bootnode"); err != nil {
		t.Fatal(err)
	}
	b := proctest.Start(t, exec.Command(bootnode, "--topics", "--addr", "127.0.0.1:0", "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--datadir", t.TempDir()), proctest.Options{})
	record := b.Record(t)
	boot := record.String()
	if !record.SupportsTopics() {
		t.Error("the bootnode is no registrar")
	}
	get := func(server, path string) string {
		addr := ""
		until(t, server+" server", func() bool {
			_, rest, ok := strings.Cut(b.Log.String(), `msg="serving `+server+`" addr=`)
			if ok {
				addr = strings.Fields(rest)[0]
			}
			return ok
		})
		r, err := http.Get("http://" + addr + path)
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return string(text)
	}

	ad := start(t, "topic", "advertise", "service", "--bootnodes", boot, "--json", "--status", "100ms", "--request-timeout", patient)
	first := parseObjects(t, ad.first(t))[0]
	self := first["nodeId"].(string)
	top := discv5.TopicOf("service")
	if first["event"] != "advertising" || first["topic"] != top.String() || first["name"] != "service" {
		t.Errorf("%v", first)
	}
	until(t, "the ad is placed", func() bool { return ad.has(`"event":"placed"`, record.ID().String(), `"lifeMs":900000`) })

	found := objects(t, "topic", "search", "service", "--bootnodes", boot, "--limit", "1", "--timeout", patience.String(), "--request-timeout", patient)
	if len(found) != 1 || found[0]["nodeId"] != self || found[0]["record"] != first["record"] || found[0]["distance"] != float64(enr.LogDistance(enr.ID(top), mustID(t, self))) {
		t.Errorf("%v", found)
	}
	metrics := get("metrics", "/metrics")
	for _, want := range []string{`discv5_topic_registrations_total{result="admitted"} 1`, "discv5_topic_ads 1", "discv5_topic_topics 1", "discv5_topic_capacity 1000"} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, counted := range []string{"discv5_topic_queries_total", "discv5_topic_ads_returned_total"} {
		if strings.Contains(metrics, "\n"+counted+" 0\n") || !strings.Contains(metrics, "\n"+counted+" ") {
			t.Errorf("%s is 0", counted)
		}
	}
	if text := get("http", "/topics?format=text"); text != "1 ad of at most 1000, 1 topic\n     1 "+top.String()+"\n" {
		t.Errorf("%q", text)
	}
	until(t, "status", func() bool {
		return ad.has(`"event":"status"`, `"placed":1`, `"admitted":1`, `"distances":[{"distance":`)
	})
	ad.interrupt(t)
	code, out := ad.wait(t)
	list := parseObjects(t, out)
	last := list[len(list)-1]
	status, _ := last["status"].(map[string]any)
	if code != cli.ExitOK || last["event"] != "summary" || status["placed"] != 1.0 || status["firstPlacedSeconds"] == nil {
		t.Errorf("exit code %d, %v", code, last)
	}
	if code := b.End(t, os.Interrupt); code != cli.ExitOK {
		t.Errorf("exit code %d of the bootnode", code)
	}
}

func mustID(t testing.TB, s string) enr.ID {
	t.Helper()
	id, err := enr.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// topicNetwork starts registrars that know each other.
func topicNetwork(t testing.TB, count int, scale float64) (list []*discv5.Node) {
	t.Helper()
	for range count {
		list = append(list, loopback(t, "127.0.0.1:0", func(c *discv5.Config) {
			c.Topics.Registrar, c.Topics.WaitScale = true, scale
			if len(list) > 0 {
				c.Bootnodes = discv5.Contacts(list[0].LocalRecord())
			}
		}))
	}
	until(t, "the first node knows the others", func() bool { return list[0].Stats().Live >= count-1 })
	return list
}

// A search prints each advertiser once, as far as a limit allows, and a search without results is a
// failure that says why.
func TestTopicSearch(t *testing.T) {
	t.Parallel()
	net := topicNetwork(t, 3, 1e-9)
	boot := net[0].LocalRecord().String()
	ads := map[string]bool{}
	for range 5 {
		ads[placeAd(t, net[0], "service").ID().String()] = true
	}
	for _, c := range []struct {
		name  string
		args  []string // without a limit, the search takes all of its time
		count int
	}{
		{"all", nil, 5},
		{"limit", []string{"--limit", "2"}, 2},
		{"walk", []string{"--plain", "-n", "5"}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			longer(t, 5*time.Second, func(timeout string) bool {
				args := append([]string{"topic", "search", "service", "--json", "--bootnodes", boot, "--request-timeout", patient, "--timeout", timeout}, c.args...)
				seen := map[string]bool{}
				r := try(t, args...)
				for _, o := range parseObjects(t, r.out) {
					id := o["nodeId"].(string)
					if !ads[id] || seen[id] {
						t.Errorf("found %s, advertiser %v, before %v", id, ads[id], seen[id])
					}
					seen[id] = true
				}
				if len(seen) > c.count {
					t.Errorf("%d advertisers, want %d", len(seen), c.count)
				}
				return r.code == cli.ExitOK && len(seen) == c.count
			})
		})
	}
	legacy := loopback(t, "127.0.0.1:0", nil)
	unresponsive := startScripted(t, func(int, codec.RequestID) [][]byte { return nil })
	for _, c := range []struct{ name, boot, says string }{
		{"nobody advertises", boot, `no advertiser of topic "nothing" found, with `},
		{"no registrar", legacy.LocalRecord().String(), "no registrar of topics is known"},
		{"nobody answers", silence(t).String(), "no bootnode answers"},
		{"a registrar that answers no query", unresponsive.record.String(), "none of the nodes that were asked has answered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			longer(t, 5*time.Second, func(timeout string) bool {
				r := try(t, "topic", "search", "nothing", "--bootnodes", c.boot, "--timeout", timeout, "--request-timeout", hasty)
				if r.code != cli.ExitFailed || r.out != "" {
					t.Errorf("%+v", r)
				}
				return strings.Contains(r.err, c.says)
			})
		})
	}
	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	for topic, want := range map[string]int{"service": cli.ExitOK, "nothing": cli.ExitFailed} {
		p := start(t, "topic", "search", topic, "--bootnodes", boot, "--timeout", "0", "--request-timeout", patient)
		until(t, "search", func() bool {
			return p.Out.Lines("enr:") == 5 || topic == "nothing" && strings.Contains(p.Log.String(), "topic ")
		})
		p.interrupt(t)
		if code, _ := p.wait(t); code != want {
			t.Errorf("search for %s: exit code %d after SIGINT, %s", topic, code, p.Log.String())
		}
	}
}

// longer runs a command that takes all of its time: for least, and for longer if do returns false,
// because a machine that pauses may have needed more.
func longer(t *testing.T, least time.Duration, do func(timeout string) bool) {
	t.Helper()
	for _, factor := range []time.Duration{1, 4, 12} {
		timeout := (factor * least).String()
		if do(timeout) {
			return
		}
		t.Logf("not in %s", timeout)
	}
	t.Error("the results did not come")
}

// An advertisement reports waits, admissions and failures, and one that was never placed is a
// failure.
func TestTopicAdvertise(t *testing.T) {
	t.Parallel()
	t.Run("waits", func(t *testing.T) {
		t.Parallel()
		net := topicNetwork(t, 2, twoSeconds)
		placeAd(t, net[0], "service")
		placeAd(t, net[1], "service")
		p := start(t, "topic", "advertise", "service", "name:other", "service", "--bootnodes", net[0].LocalRecord().String(), "--request-timeout", patient, "--status", "0.2")
		for _, n := range net {
			id := n.ID().String()
			until(t, "a wait and an ad at "+id, func() bool {
				return p.has("waiting", `"service"`, id, "distance ", " for ") && p.has("placed ", `"service"`, id, " for 15m0s") && p.has("placed ", `"other"`, id)
			})
		}
		if n := p.Out.Lines("advertising"); n != 2 {
			t.Errorf("%d topics", n)
		}
		until(t, "status", func() bool {
			return strings.Contains(p.Log.String(), `"service": 2 placed, 0 pending, 0 standby; placed/pending by distance: `)
		})
		if runtime.GOOS == "windows" {
			t.Skip("probed for SIGINT between processes: this platform has none")
		}
		p.interrupt(t)
		code, out := p.wait(t)
		if code != cli.ExitOK || !strings.Contains(out, "--- \"service\" ---\n2 placed, ") || !strings.Contains(out, "2 admissions, ") {
			t.Errorf("exit code %d, %s", code, out)
		}
		if list := net[0].TopicAds(discv5.TopicOf("service")); len(list) != 2 || !list[0].SupportsTopics() && !list[1].SupportsTopics() {
			t.Errorf("%v", list)
		}
	})
	for name, c := range map[string]struct {
		boot func(t *testing.T) string
		says string
		out  string // part of standard output
	}{
		"no registrar": {func(t *testing.T) string { return loopback(t, "127.0.0.1:0", nil).LocalRecord().String() },
			"no registrar of topics is known", ""},
		"a full registrar": {func(t *testing.T) string {
			r := loopback(t, "127.0.0.1:0", func(c *discv5.Config) { c.Topics.Registrar, c.Topics.Capacity = true, 1 })
			placeAd(t, r, "another")
			return r.LocalRecord().String()
		}, `no registrar has admitted an ad for "service"`, `"event":"waiting"`},
		"a registrar that never answers REGTOPIC": {func(t *testing.T) string {
			return startScripted(t, func(int, codec.RequestID) [][]byte { return nil }).record.String()
		}, `no registrar has admitted an ad for "service"`, `"event":"failed"`},
		"nobody": {func(t *testing.T) string { return silence(t).String() }, "no bootnode answers", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			boot := c.boot(t)
			longer(t, 8*time.Second, func(timeout string) bool {
				r := try(t, "topic", "advertise", "service", "--bootnodes", boot, "--timeout", timeout, "--request-timeout", hasty, "--json", "--status", "0")
				if r.code != cli.ExitFailed || strings.Contains(r.out, `"event":"placed"`) {
					t.Errorf("%+v", r)
				}
				return strings.Contains(r.err, c.says) && strings.Contains(r.out, c.out)
			})
		})
	}
}
