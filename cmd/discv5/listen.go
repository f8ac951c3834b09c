package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/quote"
)

// pollInterval is how often the table is looked at for changes.
const pollInterval = 250 * time.Millisecond

// listenEvent is something that happened, or how things are. Which fields are set depends on Event.
type listenEvent struct {
	Event    string       `json:"event"` // listening, added, live, silent, updated, removed, talk, status
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
	status := seconds(10 * time.Second)
	c := &cobra.Command{
		Use: "listen", Short: "Run a node and print what happens",
		Long: `Run a node until SIGINT. Its record is printed first, then each change of its table and
each request of a protocol of --talk. A line about table, sessions and packets is written
every --status; with --json it is an event too.`,
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
			n.change = func(cfg *discv5.Config) {}
			given := map[bool]bool{} // by Is4
			for _, s := range external {
				a, err := parseExternal(s)
				if err != nil {
					return place("--extip", err)
				}
				if ip := a.Addr(); ip.IsUnspecified() || ip.IsMulticast() {
					return place("--extip", wrong("%s: nobody can reach this address", quote.Short(s)))
				}
				if given[a.Addr().Is4()] {
					return place("--extip", wrong("%s: a second address of the same family", quote.Short(s)))
				}
				given[a.Addr().Is4()] = true
				change := n.change
				n.change = func(cfg *discv5.Config) {
					change(cfg)
					cfg.Advertise = append(cfg.Advertise, a)
				}
			}
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
	f.StringArrayVar(&external, "extip", nil, "`IP[:PORT]` that the record names; repeat for the other family")
	f.StringArrayVar(&talks, "talk", nil, "`NAME` of a protocol whose requests are printed, or its bytes after 0x; repeatable")
	f.BoolVar(&echo, "echo", false, "answer these requests with their own payload, not with an empty one")
	f.Var(&status, "status", "`TIME` between two lines about the node; 0 is never")
	n.flags(f, "timeout", "W", true)
	return c
}

// talkHandler prints requests.
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
