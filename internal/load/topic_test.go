package load

import (
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/topic"
)

// registrar starts a node that is a registrar.
func registrar(t *testing.T, cfg discv5.TopicConfig) (*discv5.Node, Target) {
	t.Helper()
	cfg.Registrar = true
	return node(t, "127.0.0.1:0", func(c *discv5.Config) { c.Topics = cfg })
}

// Registrations that follow their tickets wait as they were told, and all are admitted; queries
// then find their ads.
func TestHonestTickets(t *testing.T) {
	t.Parallel()
	const nodes = 12
	// the second ad of the only topic waits 0.9 s
	n, to := registrar(t, discv5.TopicConfig{WaitScale: 1e-3, Slack: -1})
	g := generate(t, Config{Target: to, Mix: Mix{RegTopic: 1, TopicQuery: 1}, Identities: nodes, Topics: 3, Window: nodes, Timeout: enough})
	prepare(t, g)
	r := &Result{}
	sum := TopicStats{}
	for range 100 {
		r = load(t, g, Plan{Mix: Only(RegTopic), Window: nodes, For: 300 * time.Millisecond})
		if r.Total.Sent > 0 { // nothing is sent if the machine pauses
			whole(t, r)
		}
		sum.Add(&r.Topics)
		if sum.Admitted == nodes {
			break
		}
	}
	got := n.TopicStats()
	if sum.Admitted != nodes || got.Results[topic.Admitted] != nodes || got.Ads != nodes {
		t.Errorf("%d of %d admitted, the registrar counts %d and has %d ads", sum.Admitted, nodes, got.Results[topic.Admitted], got.Ads)
	}
	if sum.Quoted == 0 || sum.WaitMax < 10*time.Millisecond || sum.WaitMax > time.Minute || sum.TicketMax != topic.TicketSize {
		t.Errorf("%+v", sum)
	}
	if n := got.Results[topic.Early] + got.Results[topic.BadTicket]; n != 0 || sum.Bad() != 0 {
		t.Errorf("%d tickets were early or not good; %+v", n, sum)
	}
	q := load(t, g, Plan{Mix: Only(TopicQuery), Window: nodes, For: patience, Requests: 60})
	whole(t, q)
	if want := uint64(60 * (nodes/3 - 1)); q.Topics.Ads != want || q.Topics.Empty != 0 || q.Topics.Bad() != 0 {
		t.Errorf("queries found %d ads, want %d; %+v", q.Topics.Ads, want, q.Topics)
	}
}

// Registrations that press are answered as well, and gain no place by it.
func TestEarlyTickets(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		form   TicketForm
		result topic.Result
	}{{EarlyTickets, topic.Early}, {NoTickets, topic.Waiting}} {
		t.Run(v.form.String(), func(t *testing.T) {
			n, to := registrar(t, discv5.TopicConfig{Slack: -1})
			g := generate(t, Config{Target: to, Mix: Only(RegTopic), Tickets: v.form, Identities: 8, Topics: 1, Window: 8, Timeout: enough})
			prepare(t, g)
			r := load(t, g, Plan{For: patience, Requests: 400})
			whole(t, r)
			got := n.TopicStats()
			if r.Topics.Bad() != 0 || r.Topics.Quoted < 300 || got.Results[v.result] < 300 || got.Ads > 1 {
				t.Errorf("%+v; the registrar counts %v and has %d ads", r.Topics, got.Results, got.Ads)
			}
			if (r.Topics.Presented > 300) != (v.form == EarlyTickets) {
				t.Errorf("%d requests had a ticket", r.Topics.Presented)
			}
		})
	}
}

// An open loop skips what is due while all identities have to wait, and a mix continues without.
func TestSkippedRegistrations(t *testing.T) {
	t.Parallel()
	_, to := registrar(t, discv5.TopicConfig{WaitScale: 1e-9})
	for _, cfg := range []Config{{Mix: Only(RegTopic), Rate: 1000}, {Mix: Mix{Ping: 1, RegTopic: 1}, Window: 8}} {
		cfg.Target, cfg.Identities, cfg.Timeout = to, 4, enough
		g := generate(t, cfg)
		prepare(t, g)
		r := load(t, g, Plan{For: patience, Requests: 200})
		whole(t, r)
		if r.Topics.Admitted == 0 || r.Topics.Admitted > 4 || r.Topics.Skipped < 50 {
			t.Errorf("%+v", r.Topics)
		}
	}
}

// Every fault of an answer has a count.
func TestTopicFaults(t *testing.T) {
	t.Parallel()
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, err := enr.NewBuilder().SetIP(netip.MustParseAddr("8.8.8.8")).SetUDP(9000).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	confirm := func(r *fakeRequest, total uint64, ticket int, wait time.Duration) {
		m := codec.RegConfirmation{RequestID: r.req, Total: total, Ticket: make([]byte, ticket), WaitTime: uint64(wait / time.Millisecond)}
		r.send(m.Append(nil))
	}
	ads := func(r *fakeRequest, total uint64, records ...[]byte) {
		m := codec.TopicNodes{Nodes: codec.Nodes{RequestID: r.req, Total: total}}
		for _, b := range records {
			m.Records = append(m.Records, b...)
		}
		r.send(m.Append(nil))
	}
	for _, v := range []struct {
		name   string
		kind   Kind
		answer func(r *fakeRequest)
		want   TopicStats
		lost   bool
	}{
		{"ticket", RegTopic, func(r *fakeRequest) { confirm(r, 1, 49, 2*time.Minute) }, TopicStats{Quoted: 1, WaitSum: 2 * time.Minute, WaitMax: 2 * time.Minute, TicketMax: 49}, false},
		{"admitted", RegTopic, func(r *fakeRequest) { confirm(r, 2, 0, 15*time.Minute); r.nodes(2, good.Bytes()) }, TopicStats{Admitted: 1, Auxiliary: 1}, false},
		{"other order", RegTopic, func(r *fakeRequest) { r.nodes(2, good.Bytes()); confirm(r, 2, 0, time.Minute) }, TopicStats{Admitted: 1, Auxiliary: 1}, false},
		{"no wait", RegTopic, func(r *fakeRequest) { confirm(r, 1, 49, 0) }, TopicStats{Quoted: 1, TicketMax: 49, BadWait: 1}, false},
		{"long wait", RegTopic, func(r *fakeRequest) { confirm(r, 1, 49, 16*time.Minute) }, TopicStats{Quoted: 1, TicketMax: 49, BadWait: 1, WaitSum: 15 * time.Minute, WaitMax: 16 * time.Minute}, false},
		{"long life", RegTopic, func(r *fakeRequest) { confirm(r, 1, 0, 25*time.Hour) }, TopicStats{Admitted: 1, BadWait: 1}, false},
		{"long ticket", RegTopic, func(r *fakeRequest) { confirm(r, 1, 257, time.Minute) }, TopicStats{BadTicket: 1}, true},
		{"two confirmations", RegTopic, func(r *fakeRequest) { confirm(r, 2, 0, time.Minute); confirm(r, 2, 0, time.Minute) }, TopicStats{Admitted: 1, BadAnswer: 1}, false},
		{"no confirmation", RegTopic, func(r *fakeRequest) { r.nodes(1) }, TopicStats{BadAnswer: 1}, false},
		{"silence", RegTopic, func(*fakeRequest) {}, TopicStats{}, true},
		{"ads", TopicQuery, func(r *fakeRequest) { ads(r, 2, good.Bytes(), good.Bytes()); r.nodes(2, good.Bytes()) }, TopicStats{Ads: 2, Auxiliary: 1}, false},
		{"no ads", TopicQuery, func(r *fakeRequest) { ads(r, 1) }, TopicStats{Empty: 1}, false},
		{"bad ad", TopicQuery, func(r *fakeRequest) { ads(r, 1, badRecord(good.Bytes())) }, TopicStats{Ads: 1, BadAds: 1}, false},
		{"NODES for a PING", Ping, func(r *fakeRequest) { ads(r, 1) }, TopicStats{}, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			f, to := newFake(t, "127.0.0.1:0", nil)
			f.answer = func(r *fakeRequest) {
				if r.kind == codec.TypePing && v.kind != Ping || r.n == 0 {
					usual(r)
					return
				}
				v.answer(r)
			}
			f.serve()
			timeout := enough
			if v.want == (TopicStats{}) { // nothing comes that counts
				timeout = 200 * time.Millisecond
			}
			g := generate(t, Config{Target: to, Mix: Only(v.kind), Identities: 1, Window: 1, Timeout: timeout})
			prepare(t, g)
			p := Plan{For: patience, Requests: 1}
			r := &Result{}
			if v.lost {
				r = loadUntil(t, g, p, 1)
			} else {
				r = load(t, g, p)
			}
			if v.want.Presented = r.Topics.Presented; r.Topics != v.want {
				t.Errorf("%+v\nwant %+v", r.Topics, v.want)
			}
			if (r.Total.Answered == 0) != v.lost {
				t.Errorf("counted %+v; %+v", r.Total, r.Events)
			}
		})
	}
}

// A record names the endpoint that its owner sends from, also where that changes.
func TestLocate(t *testing.T) {
	who, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range []string{"127.0.0.1:9000", "127.0.0.1:9000", "10.0.0.1:9001", "[2001:db8::1]:9002"} {
		want := netip.MustParseAddrPort(at)
		if err := who.locate(want); err != nil {
			t.Fatal(err)
		}
		v, err := enr.ParseView(who.record)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := v.UDPEndpoint4()
		if want.Addr().Is6() {
			got, _ = v.UDPEndpoint6()
		}
		if got != want || v.Seq() > uint64(i+1) {
			t.Errorf("the record of %v names %v, sequence number %d", want, got, v.Seq())
		}
	}
}
