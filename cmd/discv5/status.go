package main

import (
	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
)

// statusEvent is how a node does. Numbers of packets and sessions count since its start.
type statusEvent struct {
	Table       int    `json:"table"`
	Live        int    `json:"live"`
	Sessions    int    `json:"sessions"`
	Inbound     uint64 `json:"sessionsInbound"`
	Outbound    uint64 `json:"sessionsOutbound"`
	PacketsIn   uint64 `json:"packetsIn"`
	PacketsOut  uint64 `json:"packetsOut"`
	Whoareyou   uint64 `json:"whoareyouSent"`
	Dropped     uint64 `json:"dropped"`
	MessagesIn  uint64 `json:"messagesIn"`
	MessagesOut uint64 `json:"messagesOut"`
}

// status writes how the node does: a result for programs, a diagnostic for people.
func (t *tool) status(node *discv5.Node) {
	s := node.Stats()
	c := &s.Counters
	e := statusEvent{
		Table: s.Table, Live: s.Live, Sessions: s.Sessions.Sessions,
		Inbound: c[engine.SessionsInbound], Outbound: c[engine.SessionsOutbound],
		PacketsIn: c[engine.PacketsIn], PacketsOut: c[engine.PacketsOut], Whoareyou: c[engine.WhoareyouSent],
	}
	for i, n := range c {
		switch (engine.Counter(i)).Info().Metric {
		case "dropped_total":
			e.Dropped += n
		case "messages_received_total":
			e.MessagesIn += n
		case "messages_sent_total":
			e.MessagesOut += n
		}
	}
	if t.json {
		t.print(listenEvent{Event: "status", Status: &e}, "")
		return
	}
	t.note("table %d nodes, %d live; %d sessions (%d in, %d out); packets %d in, %d out; messages %d in, %d out; %d dropped",
		e.Table, e.Live, e.Sessions, e.Inbound, e.Outbound, e.PacketsIn, e.PacketsOut, e.MessagesIn, e.MessagesOut, e.Dropped)
}
