package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/topic"
)

// client runs a node that sends requests to bootnodes.
func client(t *testing.T, change func(*discv5.Config)) *discv5.Node {
	t.Helper()
	cfg := discv5.Config{ListenAddrs: mustAddrs("127.0.0.1:0"), Sockets: 1, RequestTimeout: 20 * time.Second}
	if change != nil {
		change(&cfg)
	}
	n, err := discv5.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// With --topics a bootnode says in its record that it is a registrar, stores ads, and shows them in
// its page and its metrics. Without it, it does none of that.
func TestTopicsBootnode(t *testing.T) {
	t.Parallel()
	dir, top := t.TempDir(), discv5.TopicOf("test")
	p := start(t, dir, "--topics", "--topics-capacity", "7", "--topics-wait-scale", "0.5", "--http", anyPort)
	if !p.record.SupportsTopics() {
		t.Error("the record does not say that the node is a registrar")
	}
	eventually(t, "log line", func() bool {
		return strings.Contains(p.Log.String(), `msg="registrar of topics" capacity=7 wait_scale=0.5`)
	})
	a, b := client(t, nil), client(t, nil)
	to := discv5.ContactOf(p.record)
	if c, err := a.RegisterTopic(t.Context(), to, top, nil); err != nil || !c.Placed {
		t.Fatalf("%+v, %v", c, err)
	}
	c, err := b.RegisterTopic(t.Context(), to, top, nil)
	// The second ad of the only topic waits for the life of the first one, times the scale.
	if err != nil || c.Placed || c.Wait < 7*time.Minute || c.Wait > topic.DefaultLifetime {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = b.RegisterTopic(t.Context(), to, top, []byte("no ticket of this registrar")); err != nil || c.Placed {
		t.Errorf("%+v, %v", c, err)
	}
	if ads, _, err := b.QueryTopic(t.Context(), to, top); err != nil || len(ads) != 1 || ads[0].ID() != a.ID() {
		t.Errorf("query: %v, %v", ads, err)
	}
	for name, want := range map[string]float64{
		"discv5_topic_ads": 1, "discv5_topic_topics": 1, "discv5_topic_capacity": 7, "discv5_topic_queries_total": 1, "discv5_topic_ads_returned_total": 1,
		`discv5_topic_registrations_total{result="admitted"}`: 1, `discv5_topic_registrations_total{result="waiting"}`: 1,
		`discv5_topic_registrations_total{result="ticket"}`: 1, `discv5_topic_registrations_total{result="full"}`: 0,
		`discv5_topic_ads_ended_total{reason="expired"}`: 0, "discv5_topic_waited_seconds_count": 1, "discv5_topic_waited_seconds_sum": 0,
		"discv5_topic_quoted_wait_seconds_count": 2, `discv5_topic_quoted_wait_seconds_bucket{le="256"}`: 0, `discv5_topic_quoted_wait_seconds_bucket{le="1024"}`: 2,
		"discv5_topic_occupancy_ratio_count": 3, `discv5_topic_occupancy_ratio_bucket{le="0.1"}`: 1, `discv5_topic_occupancy_ratio_bucket{le="0.15"}`: 3,
		"discv5_topic_auxiliary_returned_total": 0, `discv5_topic_requests_answered_total{role="advertiser"}`: 0, `discv5_topic_requests_failed_total{role="discoverer"}`: 0,
		"discv5_topic_key_failures_total": 0,
	} {
		if got := p.metric(t, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	view := decode[topicsView](t, p, "/topics")
	if !view.Registrar || view.Capacity != 7 || view.Ads != 1 || view.Topics != 1 || !slices.Equal(view.Largest, []topicView{{top.String(), 1}}) {
		t.Errorf("/topics: %+v", view)
	}
	ads := decode[adsView](t, p, "/topics?topic="+top.String())
	at, _ := a.LocalRecord().UDPEndpoint4()
	if want := (adView{a.ID().String(), a.LocalRecord().String(), a.LocalRecord().Seq(), at.String(), ""}); ads.Ads != 1 || len(ads.List) != 1 || ads.List[0] != want {
		t.Errorf("ads: %+v", ads)
	}
	p.stop(t)

	p = start(t, dir, "--http", anyPort, "--topics-capacity", "7")
	if p.record.SupportsTopics() {
		t.Error("the record still says that the node is a registrar")
	}
	eventually(t, "warning", func() bool {
		return strings.Contains(p.Log.String(), "--topics-capacity has no effect without --topics")
	})
	if v := decode[topicsView](t, p, "/topics"); v.Registrar || v.Capacity != 0 || v.Largest == nil || len(v.Largest) > 0 {
		t.Errorf("/topics without --topics: %+v", v)
	}
	if n := p.metric(t, "discv5_topic_capacity"); n != 0 {
		t.Errorf("capacity %v without --topics", n)
	}
	p.stop(t)
}

// A registrar's settings need a restart: a reload names them, and changes nothing.
func TestTopicsReload(t *testing.T) {
	t.Parallel()
	path := write(t, "topics = true\n", 0o600)
	p := start(t, t.TempDir(), "--config", path, "--http", anyPort)
	if err := os.WriteFile(path, []byte("topics = false\ntopics-capacity = 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	line := p.hangUp(t, "settings were reloaded")
	if !strings.Contains(line, "after_restart=topics,topics-capacity") {
		t.Errorf("after the reload: %s", line)
	}
	if v := decode[topicsView](t, p, "/topics"); !v.Registrar || v.Capacity != topic.DefaultCapacity {
		t.Errorf("after the reload: %+v", v)
	}
	p.stop(t)
}

// The page is bounded, whatever a request asks for, and shows nothing that a peer has chosen as
// text.
func TestTopicsPage(t *testing.T) {
	t.Parallel()
	p := registrarPages(t, 50)
	for _, c := range []struct {
		query  string
		code   int
		listed int // entries of the list
		want   string
	}{
		{"", 200, topicsListed, `"topics":50`},
		{"limit=3", 200, 3, `"ads":52`},
		{"limit=1", 200, 1, `"largest":[{"topic":"` + discv5.TopicOf("7").String() + `","ads":3}]`},
		{"limit=10000&format=json", 200, 50, `"registrar":true`},
		{"topic=" + discv5.TopicOf("7").String(), 200, 3, `"ads":3`},
		{"topic=" + discv5.TopicOf("7").String() + "&limit=2", 200, 2, `"ads":3`},
		{"topic=" + strings.ToUpper(discv5.TopicOf("7").String()), 200, 3, discv5.TopicOf("7").String()},
		{"topic=" + discv5.TopicOf("none").String(), 200, 0, `"list":[]`},
		{"limit=0", 400, 0, "want a number from 1 to 10000"},
		{"limit=10001", 400, 0, "want a number"},
		{"limit=1&limit=2", 400, 0, "2 times"},
		{"topic=", 400, 0, "want 64 hexadecimal digits"},
		{"topic=7", 400, 0, "want 64 hexadecimal digits"},
		{"topic=" + strings.Repeat("1", 66), 400, 0, "want 64"},
		{"topic=%3Cscript%3E" + strings.Repeat("x", 1000), 400, 0, "want 64"},
		{"format=xml", 400, 0, "want json, text or html"},
		{"%3Cb%3E=1", 400, 0, "unknown parameter"},
		{"%zz", 400, 0, "query"},
	} {
		t.Run(c.query[:min(len(c.query), 20)], func(t *testing.T) {
			rec := httptest.NewRecorder()
			p.handler().ServeHTTP(rec, httptest.NewRequest("GET", "/topics?"+c.query, nil))
			body := rec.Body.String()
			if rec.Code != c.code || !strings.Contains(body, c.want) {
				t.Fatalf("%d %s", rec.Code, body)
			}
			if kind := rec.Header().Get("Content-Type"); strings.Contains(kind, "html") || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", rec.Header())
			}
			if c.code != 200 {
				if strings.Count(body, "\n") != 1 || len(body) > 300 {
					t.Errorf("%q", body)
				}
				return
			}
			var view struct{ Largest, List []any }
			if err := json.Unmarshal([]byte(body), &view); err != nil || len(view.Largest)+len(view.List) != c.listed {
				t.Errorf("%d topics, %d ads: %v", len(view.Largest), len(view.List), err)
			}
		})
	}
	for query, want := range map[string]string{
		"format=text&limit=2":                               "52 ads of at most 1000, 50 topics\n     3 ",
		"format=text&topic=" + discv5.TopicOf("7").String(): "3 ads of topic " + discv5.TopicOf("7").String() + "\n",
	} {
		rec := httptest.NewRecorder()
		p.handler().ServeHTTP(rec, httptest.NewRequest("GET", "/topics?"+query, nil))
		if rec.Code != http.StatusOK || !strings.HasPrefix(rec.Body.String(), want) || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s", query, rec.Code, rec.Body)
		}
	}
}

// As a page, /topics shows what records hold as text.
func TestTopicsHTML(t *testing.T) {
	t.Parallel()
	p := registrarPages(t, 30)
	bad := client(t, func(c *discv5.Config) {
		c.Entries = func(b *enr.Builder) { b.SetString("client", "<script>alert(1)</script>") }
	})
	top := discv5.TopicOf("7")
	if c, err := bad.RegisterTopic(t.Context(), discv5.ContactOf(p.node.LocalRecord()), top, nil); err != nil || !c.Placed {
		t.Fatalf("%+v, %v", c, err)
	}
	none := pages{node: client(t, nil), access: newAccessList(), count: newCounts(time.Now())}
	for _, c := range []struct {
		name, query string
		from        pages
		want        []string
	}{
		{"topics", "format=html", p, []string{"<b>33</b> of 1,000 ads, <b>30</b> topics", `href="topics?format=html&amp;topic=` + top.String() + `"`, "20 largest of 30", `<a href="./">`}},
		{"all topics", "format=html&limit=100", p, []string{"<b>33</b>", discv5.TopicOf("29").String()}},
		{"one topic", "format=html&topic=" + top.String(), p, []string{"<b>4</b> ads", bad.ID().String(), "&lt;script&gt;alert(1)", "all topics"}},
		{"one ad of it", "format=html&limit=1&topic=" + top.String(), p, []string{"<b>4</b> ads, the first 1 of them"}},
		{"a topic without ads", "format=html&topic=" + discv5.TopicOf("none").String(), p, []string{"<b>0</b> ads"}},
		{"no registrar", "format=html", none, []string{"no registrar of topics; see --topics"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			c.from.handler().ServeHTTP(rec, httptest.NewRequest("GET", "/topics?"+c.query, nil))
			body := rec.Body.String()
			if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "text/html; charset=utf-8" ||
				!strings.Contains(rec.Header().Get("Content-Security-Policy"), "default-src 'none'") {
				t.Fatalf("%d, %v", rec.Code, rec.Header())
			}
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("%q is missing", want)
				}
			}
			if strings.Contains(body, "<script") {
				t.Error("a script is on the page")
			}
		})
	}
}

// registrarPages returns the pages of a registrar with an ad for each of the topics 0, 1, 2..., and
// two more for topic 7.
func registrarPages(t *testing.T, topics int) pages {
	t.Helper()
	node := client(t, func(c *discv5.Config) { c.Topics.Registrar, c.Topics.WaitScale = true, 1e-9 })
	place := func(from *discv5.Node, topic int) {
		c, err := from.RegisterTopic(t.Context(), discv5.ContactOf(node.LocalRecord()), discv5.TopicOf(fmt.Sprint(topic)), nil)
		if err != nil || !c.Placed {
			t.Fatalf("topic %d: %+v, %v", topic, c, err)
		}
	}
	from := client(t, nil)
	for i := range topics {
		place(from, i)
	}
	for range 2 {
		place(client(t, nil), 7)
	}
	return pages{node: node, access: newAccessList(), count: newCounts(time.Now())}
}

// A registrar's ads have their part of a memory limit: the sessions leave room for them.
func TestTopicsMemory(t *testing.T) {
	const limit = 256 << 20
	plan := func(args ...string) int {
		return planMemory(limit, 1, mustLoad(t, args, []string{"HOME=/nowhere"})).sessions
	}
	without, default1000, most := plan(), plan("--topics"), plan("--topics", "--topics-capacity", "100000")
	if d := without - default1000; d < 0 || d > 1000 {
		t.Errorf("%d sessions without topics, %d with", without, default1000)
	}
	if d := without - most; d < 20_000 {
		t.Errorf("%d sessions without topics, %d with 100,000 ads", without, most)
	}
	if plan("--topics-capacity", "100000") != without {
		t.Error("the capacity matters without --topics")
	}
}

// The settings reach the node.
func TestTopicsSettings(t *testing.T) {
	o := mustLoad(t, []string{"--topics", "--topics.capacity=5", "--topics_wait_scale=0.125"}, []string{"HOME=/nowhere"})
	if got, want := o.nodeConfig(nil).Topics, (discv5.TopicConfig{Registrar: true, Capacity: 5, WaitScale: 0.125}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if o := mustLoad(t, nil, []string{"HOME=/nowhere"}); o.nodeConfig(nil).Topics.Registrar {
		t.Error("a registrar by default")
	}
	text := printConfig(o)
	for _, want := range []string{"topics = true # --topics", "topics-capacity = 5 # --topics-capacity", "topics-wait-scale = 0.125 # --topics-wait-scale"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
