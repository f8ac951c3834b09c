package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/quote"
)

// pollInterval is the time between checks of the table for changes.
const pollInterval = 250 * time.Millisecond

// listenEvent is an event or the status of the node. Event decides which other fields are set.
type listenEvent struct {
	// Event is listening, added, live, silent, updated, removed, talk or status.
	Event    string       `json:"event"`
	NodeID   string       `json:"nodeId,omitempty"`
	Addr     string       `json:"addr,omitempty"`
	Record   string       `json:"record,omitempty"`
	Protocol string       `json:"protocol,omitempty"`
	Payload  *string      `json:"payload,omitempty"` // hexadecimal digits
	Status   *statusEvent `json:"status,omitempty"`
}

func newListen(t *tool) *cobra.Command {
	n := &network{t: t}
	var external, talks []string
	var echo bool
	status := cli.Seconds(10 * time.Second)
	c := &cobra.Command{
		Use: "listen", Short: "Run a node and print what happens",
		Long: `Run a node until SIGINT. It prints its record first, then each change of its table and each
request of a protocol of --talk. Every --status it writes a line about table, sessions and
packets to standard error, or with --json an event to standard output.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			if err := n.parse(ctx); err != nil {
				return err
			}
			var protocols []string
			for _, p := range talks {
				b, err := parseBytes(p)
				if err != nil {
					return place("--talk", err)
				}
				protocols = append(protocols, string(b))
			}
			advertise, err := parseExternal(external)
			if err != nil {
				return place("--extip", err)
			}
			n.change = func(cfg *discv5.Config) { cfg.Advertise = advertise }
			node, err := n.start(ctx, n.boot, true)
			if err != nil {
				return err
			}
			defer node.Close()
			for _, p := range protocols {
				node.HandleTalk(p, t.talkHandler(echo))
			}
			return t.listen(ctx, node, time.Duration(status))
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&external, "extip", nil, "`IP[:PORT]` to put into the record; repeat it for the other family")
	f.StringArrayVar(&talks, "talk", nil, "print the requests of the protocol `NAME`, given as text or as bytes after 0x; repeatable")
	f.BoolVar(&echo, "echo", false, "answer these requests with their own payload instead of an empty one")
	f.Var(&status, "status", "`TIME` between status lines; 0 for none")
	n.flags(f, "timeout", "W", true)
	return c
}

// parseExternal parses the addresses of --extip: at most one of each family.
func parseExternal(list []string) (addrs []netip.AddrPort, err error) {
	for _, s := range list {
		a, err := cli.ParseExternalAddr(s)
		if err != nil {
			return nil, cli.Usage(err)
		}
		for _, other := range addrs {
			if other.Addr().Is4() == a.Addr().Is4() {
				return nil, cli.Usagef("%s: a second address of the same family", quote.Short(s))
			}
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// talkHandler returns a handler that prints requests.
func (t *tool) talkHandler(echo bool) discv5.TalkHandler {
	return func(_ context.Context, r discv5.TalkRequest) []byte {
		digits, protocol := hex.EncodeToString(r.Payload), printable([]byte(r.Protocol))
		t.print(listenEvent{Event: "talk", NodeID: r.From.String(), Addr: r.Addr.String(), Protocol: protocol, Payload: &digits},
			strings.TrimSpace(fmt.Sprintf("talk %s %s %s %s", r.From, r.Addr, protocol, digits)))
		if echo {
			return r.Payload
		}
		return nil
	}
}

// listen prints events until ctx ends.
func (t *tool) listen(ctx context.Context, node *discv5.Node, status time.Duration) error {
	r := node.LocalRecord()
	t.print(listenEvent{Event: "listening", NodeID: r.ID().String(), Addr: node.Addrs()[0].String(), Record: r.String()}, r.String())
	for _, a := range node.Addrs() {
		t.note("listening on UDP %s", a)
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	var tick <-chan time.Time
	if status > 0 {
		ticker := time.NewTicker(status)
		defer ticker.Stop()
		tick = ticker.C
	}
	seen := map[enr.ID]seenNode{}
	for {
		select {
		case <-ctx.Done():
			t.status(node)
			return nil
		case <-node.Done():
			if ctx.Err() == nil {
				return discv5.ErrClosed
			}
			t.status(node)
			return nil
		case <-tick:
			t.status(node)
		case <-poll.C:
			if err := node.Err(); err != nil {
				return err
			}
			seen = t.changes(node, seen)
		}
	}
}

// seenNode is the last known state of a node in the table.
type seenNode struct {
	addr string
	seq  uint64
	live bool
}

// changes prints the differences between the table and before, and returns the new state. It misses
// nodes that come and go between two calls.
func (t *tool) changes(node *discv5.Node, before map[enr.ID]seenNode) map[enr.ID]seenNode {
	now := make(map[enr.ID]seenNode, len(before))
	report := func(event string, id enr.ID, addr, record string) {
		t.print(listenEvent{Event: event, NodeID: id.String(), Addr: addr, Record: record}, fmt.Sprintf("%-7s %s %s", event, id, addr))
	}
	for _, n := range node.Nodes() {
		id, record := n.Record.ID(), n.Record.String()
		is := seenNode{n.Addr.String(), n.Record.Seq(), n.Live}
		now[id] = is
		was, ok := before[id]
		switch {
		case !ok:
			report("added", id, is.addr, record)
		case was.seq != is.seq || was.addr != is.addr:
			report("updated", id, is.addr, record)
		}
		if is.live != was.live {
			report(map[bool]string{true: "live", false: "silent"}[is.live], id, is.addr, record)
		}
	}
	var gone []enr.ID
	for id := range before {
		if _, ok := now[id]; !ok {
			gone = append(gone, id)
		}
	}
	slices.SortFunc(gone, func(a, b enr.ID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range gone {
		report("removed", id, before[id].addr, "")
	}
	return now
}

// statusEvent is the status of the node. Packets, messages and sessions by direction count since
// its start.
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

// status writes the status of the node: to standard error, or with --json as a result.
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
