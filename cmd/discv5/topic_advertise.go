package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/engine"
)

// advertiseQueue is how many events wait to be printed.
const advertiseQueue = 1024

// advertiseEvent is an event of topic advertise. Event decides which other fields are set.
type advertiseEvent struct {
	// advertising, waiting, placed, failed, ended, status, summary
	Event    string `json:"event"`
	Topic    string `json:"topic"`
	Name     string `json:"name,omitempty"`
	NodeID   string `json:"nodeId,omitempty"` // of the registrar; of this node in advertising
	Record   string `json:"record,omitempty"`
	Distance *int   `json:"distance,omitempty"` // of the registrar from the topic
	Wait     int64  `json:"waitMs,omitempty"`
	Life     int64  `json:"lifeMs,omitempty"`
	Error    string `json:"error,omitempty"`
	// of status and summary
	Status *adStatus `json:"status,omitempty"`
}

// adStatus tells how far an advertisement is.
type adStatus struct {
	Placed  int `json:"placed"`  // registrars that have the ad
	Pending int `json:"pending"` // registrars that were asked or want a wait
	Standby int `json:"standby"` // further candidates
	// Admitted, Waits and Failures count events since the start.
	Admitted int `json:"admitted"`
	Waits    int `json:"waits"`
	Failures int `json:"failures"`
	// FirstPlaced is the time from the start to the first ad.
	FirstPlaced *float64         `json:"firstPlacedSeconds,omitempty"`
	Distances   []distanceStatus `json:"distances"`
}

// distanceStatus is the part of the registrars at one distance from the topic. The last one stands
// for all that are closer.
type distanceStatus struct {
	Distance int `json:"distance"`
	Placed   int `json:"placed"`
	Pending  int `json:"pending"`
	Standby  int `json:"standby"`
}

// advertised is a topic that is being advertised.
type advertised struct {
	topicArg
	ad     *discv5.TopicAd
	counts adStatus
}

func newTopicAdvertise(t *tool) *cobra.Command {
	n := &topicNode{network: &network{t: t}}
	status := cli.Seconds(10 * time.Second)
	c := &cobra.Command{
		Use: "advertise TOPIC...", Short: "Keep topics advertised",
		Long: `Run a node that places ads for topics at registrars all over the network and renews them,
until SIGINT or --timeout. It is a registrar itself. It prints a line when a registrar wants
it to wait, admits an ad or fails, and when an ad ends. Every --status it writes a line for
each topic to standard error, or with --json an event to standard output.

` + topicHelp + `

The first ads take a few seconds; where many nodes advertise the same topic, they take
minutes. Exit code 1: a topic was never placed.`,
		Args: arguments(1, -1),
		RunE: func(c *cobra.Command, args []string) error {
			var list []*advertised
			seen := map[discv5.Topic]bool{}
			for i, a := range args {
				top, err := parseTopic(a)
				if err != nil {
					return place(argument(i), err)
				}
				if !seen[top.id] {
					seen[top.id] = true
					list = append(list, &advertised{topicArg: top})
				}
			}
			if len(list) > discv5.MaxAdvertisedTopics {
				return cli.Usagef("%d topics, more than %d", len(list), discv5.MaxAdvertisedTopics)
			}
			ctx := c.Context()
			if err := n.parseAll(ctx, func(cfg *discv5.Config) { cfg.Topics.Registrar = true }); err != nil {
				return err
			}
			node, err := n.startJoined(ctx, c.CommandPath())
			if err != nil {
				return err
			}
			defer node.Close()
			a := &advertiser{topicNode: n, node: node, began: time.Now(), topics: map[discv5.Topic]*advertised{}, list: list}
			return a.run(ctx, time.Duration(status))
		},
	}
	f := c.Flags()
	f.SortFlags = false
	n.externalFlag(f)
	f.Var(&status, "status", "`TIME` between status lines; 0 for none")
	n.limitFlags(f, 0, true)
	return c
}

// advertiser is one run of topic advertise.
type advertiser struct {
	*topicNode
	node   *discv5.Node
	began  time.Time
	topics map[discv5.Topic]*advertised
	list   []*advertised
}

// run advertises until ctx or --timeout ends.
func (a *advertiser) run(ctx context.Context, status time.Duration) error {
	events := a.node.Subscribe(advertiseQueue, discv5.EventTopicPlaced, discv5.EventTopicWaiting, discv5.EventTopicFailed, discv5.EventTopicLost)
	defer events.Close()
	record := a.node.LocalRecord()
	for _, top := range a.list {
		a.topics[top.id] = top
		var err error
		if top.ad, err = a.node.AdvertiseTopic(ctx, top.id); err != nil {
			return err
		}
		defer top.ad.Stop()
		a.t.print(advertiseEvent{Event: "advertising", Topic: top.id.String(), Name: top.name, NodeID: record.ID().String(), Record: record.String()},
			fmt.Sprintf("advertising %s %s", top.id, record))
	}
	if record.CheckUDP() != nil {
		a.t.note("the record names no address, so registrars refuse it until peers agree on one; see --extip")
	}
	timed, cancel := a.timed(ctx)
	defer cancel()
	var tick <-chan time.Time
	if status > 0 {
		ticker := time.NewTicker(status)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-timed.Done():
			return a.end(events.Lost())
		case <-a.node.Done():
			if ctx.Err() == nil {
				return discv5.ErrClosed
			}
			return a.end(events.Lost())
		case e, ok := <-events.C:
			if ok {
				a.event(e)
			}
		case <-tick:
			if err := a.node.Err(); err != nil {
				return err
			}
			a.status("status")
		}
	}
}

// event prints an event.
func (a *advertiser) event(e discv5.Event) {
	top := a.topics[e.Topic]
	if top == nil {
		return
	}
	d := top.distance(e.ID)
	v := advertiseEvent{Topic: e.Topic.String(), NodeID: e.ID.String(), Distance: &d}
	more := ""
	switch e.Kind {
	case discv5.EventTopicPlaced:
		top.counts.Admitted++
		v.Event, v.Life = "placed", e.Wait.Milliseconds()
		more = fmt.Sprintf(" for %s", e.Wait)
	case discv5.EventTopicWaiting:
		top.counts.Waits++
		v.Event, v.Wait = "waiting", e.Wait.Milliseconds()
		more = fmt.Sprintf(" for %s", e.Wait)
	case discv5.EventTopicFailed:
		top.counts.Failures++
		v.Event, v.Error = "failed", oneLine(e.Err)
		more = ": " + v.Error
	case discv5.EventTopicLost:
		v.Event = "ended"
	}
	a.t.print(v, fmt.Sprintf("%-7s %s at %s, distance %d%s", v.Event, top, e.ID, d, more))
}

// statusOf returns the status of a topic.
func (a *advertiser) statusOf(top *advertised) adStatus {
	s, st := top.ad.Status(), top.counts
	st.Placed, st.Pending, st.Standby = s.Placed, s.Pending, s.Standby
	if !s.FirstPlaced.IsZero() {
		seconds := round(s.FirstPlaced.Sub(a.began).Seconds())
		st.FirstPlaced = &seconds
	}
	st.Distances = []distanceStatus{}
	for i, b := range s.Buckets {
		if b != (discv5.TopicBucket{}) {
			st.Distances = append(st.Distances, distanceStatus{256 - i, b.Placed, b.Pending, b.Standby})
		}
	}
	return st
}

// status reports on all topics: with --json as results, otherwise on standard error.
func (a *advertiser) status(event string) {
	for _, top := range a.list {
		st := a.statusOf(top)
		if a.t.json {
			a.t.print(advertiseEvent{Event: event, Topic: top.id.String(), Name: top.name, Status: &st}, "")
			continue
		}
		a.t.note("%s: %s", top, st.text())
	}
}

// text returns the form for people.
func (s adStatus) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d placed, %d pending, %d standby", s.Placed, s.Pending, s.Standby)
	for i, d := range s.Distances {
		word := ","
		if i == 0 {
			word = "; placed/pending by distance:"
		}
		fmt.Fprintf(&b, "%s %d %d/%d", word, d.Distance, d.Placed, d.Pending)
	}
	return b.String()
}

// end prints the summary. The error names the topics that no registrar has admitted.
func (a *advertiser) end(lost uint64) error {
	if lost > 0 {
		a.t.note("%d events were lost: standard output is too slow", lost)
	}
	var never []string
	for _, top := range a.list {
		st := a.statusOf(top)
		text := fmt.Sprintf("--- %s ---\n%s\n%s, %s, %s in %.0f s", top, st.text(),
			cli.Count(st.Admitted, "admission"), cli.Count(st.Waits, "wait"), cli.Count(st.Failures, "failure"), time.Since(a.began).Seconds())
		a.t.print(advertiseEvent{Event: "summary", Topic: top.id.String(), Name: top.name, Status: &st}, text)
		if st.FirstPlaced == nil {
			never = append(never, top.String())
		}
	}
	switch {
	case len(never) == 0:
		return nil
	case a.node.Stats().Counters[engine.OutRegTopic] == 0:
		return discv5.ErrNoTopicNodes
	}
	return errors.New("no registrar has admitted an ad for " + strings.Join(never, ", "))
}
