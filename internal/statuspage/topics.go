package statuspage

import (
	"bytes"
	"net/http"
	"net/netip"

	"github.com/fastdisc/discv5/enr"
)

// TopicList is a page about a registrar of topics: its largest topics.
type TopicList struct {
	Registrar bool // false: the node is none
	Capacity  int
	Ads       int
	Topics    int
	Largest   []TopicAds // largest first
}

// WriteTopics writes a page about the topics of a registrar. It is not live.
func WriteTopics(rw http.ResponseWriter, list TopicList) {
	writePage(rw, struct {
		TopicList
		One bool
	}{list, false})
}

// adRow is an ad of a page about one topic.
type adRow struct {
	ID        string
	Endpoints []netip.AddrPort
	Client    string
	Seq       uint64
}

// WriteTopic writes a page about one topic: its records, and how many ads there are in all.
func WriteTopic(rw http.ResponseWriter, topic string, ads int, records []*enr.Record) {
	v := struct {
		One     bool
		Topic   string
		Ads     int
		Records []adRow
	}{One: true, Topic: topic, Ads: ads}
	for _, r := range records {
		row := adRow{ID: r.ID().String(), Client: clientOf(r), Seq: r.Seq()}
		for _, get := range [...]func() (netip.AddrPort, bool){r.UDPEndpoint4, r.UDPEndpoint6} {
			if at, ok := get(); ok {
				row.Endpoints = append(row.Endpoints, at)
			}
		}
		v.Records = append(v.Records, row)
	}
	writePage(rw, v)
}

func writePage(rw http.ResponseWriter, v any) {
	setHeaders(rw)
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "topicspage", v); err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = rw.Write(b.Bytes()) // an error means that the client has gone
}
