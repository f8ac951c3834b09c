package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/statuspage"
)

// Bounds of /topics.
const (
	topicsListed    = 20 // topics or ads of a response, without the parameter limit
	maxTopicsListed = 10_000
)

// topicsView is /topics.
type topicsView struct {
	Registrar bool `json:"registrar"`
	Capacity  int  `json:"capacity"`
	Ads       int  `json:"ads"`
	Topics    int  `json:"topics"`
	// Largest are the topics with the most ads, largest first.
	Largest []topicView `json:"largest"`
}

// topicView is a topic of /topics.
type topicView struct {
	Topic string `json:"topic"` // hexadecimal digits
	Ads   int    `json:"ads"`
}

// adsView is /topics?topic=T.
type adsView struct {
	Topic string   `json:"topic"`
	Ads   int      `json:"ads"` // those beyond the limit included
	List  []adView `json:"list"`
}

// adView is an ad of /topics?topic=T.
type adView struct {
	ID     string `json:"id"`
	Record string `json:"record"`
	Seq    uint64 `json:"seq"`
	UDP4   string `json:"udp4,omitempty"`
	UDP6   string `json:"udp6,omitempty"`
}

// topics serves /topics: the topics with the most ads, or the ads of one topic. JSON and text show
// a topic as hexadecimal digits and a record as base64, so nothing that another node has chosen is
// in them as text.
func (p pages) topics(rw http.ResponseWriter, r *http.Request) {
	q, err := readTopicQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	if q.format == formatHTML {
		p.topicsHTML(rw, &q)
		return
	}
	var view any
	var text func() string
	if q.one {
		v := p.adsOf(q.topic, q.limit)
		view, text = v, v.text
	} else {
		v := p.topicsOf(q.limit)
		view, text = v, v.text
	}
	if q.format == formatJSON {
		writeJSON(rw, view)
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	fmt.Fprint(rw, text()) // an error means that the client has gone
}

// topicsHTML serves /topics as a page. It has the names of clients, which their owners chose: the
// template escapes them.
func (p pages) topicsHTML(rw http.ResponseWriter, q *topicQuery) {
	if q.one {
		records := p.node.TopicAds(q.topic)
		statuspage.WriteTopic(rw, q.topic.String(), len(records), records[:min(len(records), q.limit)])
		return
	}
	v := p.topicsOf(q.limit)
	list := statuspage.TopicList{Registrar: v.Registrar, Capacity: v.Capacity, Ads: v.Ads, Topics: v.Topics}
	for _, t := range v.Largest {
		list.Largest = append(list.Largest, statuspage.TopicAds(t))
	}
	statuspage.WriteTopics(rw, list)
}

func (p pages) topicsOf(limit int) topicsView {
	s := p.node.TopicStats()
	v := topicsView{Registrar: s.Capacity > 0, Capacity: s.Capacity, Ads: s.Ads, Topics: s.Topics, Largest: []topicView{}}
	for _, t := range p.node.LargestTopics(limit) {
		v.Largest = append(v.Largest, topicView{t.Topic.String(), t.Ads})
	}
	return v
}

func (v topicsView) text() string {
	if !v.Registrar {
		return "this node is no registrar of topics; see --topics\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s of at most %d, %s\n", cli.Count(v.Ads, "ad"), v.Capacity, cli.Count(v.Topics, "topic"))
	for _, t := range v.Largest {
		fmt.Fprintf(&b, "%6d %s\n", t.Ads, t.Topic)
	}
	return b.String()
}

func (p pages) adsOf(t discv5.Topic, limit int) adsView {
	v := adsView{Topic: t.String(), List: []adView{}}
	for _, r := range p.node.TopicAds(t) {
		if v.Ads++; v.Ads > limit {
			continue
		}
		udp4, _ := r.UDPEndpoint4()
		udp6, _ := r.UDPEndpoint6()
		v.List = append(v.List, adView{r.ID().String(), r.String(), r.Seq(), endpointText(udp4), endpointText(udp6)})
	}
	return v
}

func (v adsView) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of topic %s\n", cli.Count(v.Ads, "ad"), v.Topic)
	for _, a := range v.List {
		fmt.Fprintln(&b, a.ID, a.Record)
	}
	return b.String()
}

// Formats of /topics.
const (
	formatJSON = "json"
	formatText = "text"
	formatHTML = "html"
)

// topicQuery holds the parameters of /topics.
type topicQuery struct {
	topic  discv5.Topic
	one    bool // topic is set
	limit  int
	format string
}

func readTopicQuery(raw string) (q topicQuery, err error) {
	q.limit, q.format = topicsListed, formatJSON
	err = eachParameter(raw, func(name, value string) (err error) {
		switch name {
		case "topic":
			q.one = true
			if q.topic, err = discv5.ParseTopic(value); err != nil {
				err = fmt.Errorf("topic=%s: want 64 hexadecimal digits", quote.Short(value))
			}
		case "limit":
			q.limit, err = readNumber(name, value, maxTopicsListed)
		case "format":
			if q.format = value; value != formatJSON && value != formatText && value != formatHTML {
				err = fmt.Errorf("format=%s: want json, text or html", quote.Short(value))
			}
		default:
			err = fmt.Errorf("unknown parameter %s; want topic, limit or format", quote.Short(name))
		}
		return err
	})
	return q, err
}
