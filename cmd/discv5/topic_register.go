package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5"
)

const (
	// maxTickets bounds the tickets of one registrar: with more, it is not going to admit the ad.
	maxTickets = 10
	// leastWait is the least pause between two requests, whatever the registrar says.
	leastWait = 100 * time.Millisecond
)

// registerEvent is a step of topic register.
type registerEvent struct {
	Event  string `json:"event"` // waiting or admitted
	NodeID string `json:"nodeId"`
	Topic  string `json:"topic"`
	Number int    `json:"number"`           // of the request, from 1
	Wait   int64  `json:"waitMs,omitempty"` // until the next request
	Ticket string `json:"ticket,omitempty"` // hexadecimal digits
	// Life is how long the ad lives, and Waited the time since the first request.
	Life   int64 `json:"lifeMs,omitempty"`
	Waited int64 `json:"waitedMs"`
}

func newTopicRegister(t *tool) *cobra.Command {
	n := &topicNode{network: &network{t: t}}
	c := &cobra.Command{
		Use: "register NODE TOPIC", Short: "Place an ad at one registrar",
		Long: `Send REGTOPIC with this node's record to a registrar, wait as long as it says, come back with
its ticket, and so on until it admits the ad, which lives for 15 minutes. It prints each
wait, and the admission. The ad names the address of this node, which has gone by then: use
discv5 topic advertise to stay, or --key and --addr of a node that runs elsewhere.

` + topicHelp + `

Exit code 1: the ad was not admitted. Registrars do not say why they refuse an ad; they want
a record that names the address from which it comes (--extip).`,
		Args: arguments(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			top, err := parseTopic(args[1])
			if err != nil {
				return place(argument(1), err)
			}
			ctx := c.Context()
			if err := n.parseAll(ctx, nil); err != nil {
				return err
			}
			node, to, err := n.startFor(ctx, args)
			if err != nil {
				return err
			}
			defer node.Close()
			timed, cancel := n.timed(ctx)
			defer cancel()
			r := &registration{topicNode: n, node: node, to: to, top: top, began: time.Now()}
			if err = r.run(timed); err != nil && timed.Err() != nil && ctx.Err() == nil {
				err = fmt.Errorf("not admitted within %s", time.Duration(n.limit))
			}
			return err
		},
	}
	f := c.Flags()
	f.SortFlags = false
	n.externalFlag(f)
	n.limitFlags(f, 30*time.Minute, false)
	return c
}

// registration is one run of topic register.
type registration struct {
	*topicNode
	node   *discv5.Node
	to     target
	top    topicArg
	began  time.Time
	number int // of the last request
}

// run makes requests until the registrar admits the ad.
func (r *registration) run(ctx context.Context) error {
	if r.node.LocalRecord().CheckUDP() != nil {
		return errors.New("the record of this node names no address; name one with --extip")
	}
	if err := requireRegistrar(ctx, r.node, r.to); err != nil {
		return err
	}
	var ticket []byte
	for {
		c, err := r.ask(ctx, ticket)
		if err != nil {
			return err
		}
		e := registerEvent{NodeID: r.to.id().String(), Topic: r.top.id.String(), Number: r.number, Waited: time.Since(r.began).Milliseconds()}
		if c.Placed {
			e.Event, e.Life = "admitted", c.Wait.Milliseconds()
			r.t.print(e, fmt.Sprintf("admitted for %s, with request %d after %s", c.Wait, r.number, time.Since(r.began).Round(time.Millisecond)))
			return nil
		}
		ticket = c.Ticket
		// The clocks of two nodes differ in speed: come a little later.
		wait := max(c.Wait+50*time.Millisecond+c.Wait/5000, leastWait)
		e.Event, e.Wait, e.Ticket = "waiting", c.Wait.Milliseconds(), hex.EncodeToString(ticket)
		r.t.print(e, fmt.Sprintf("the registrar wants a wait of %s (request %d); ticket of %d bytes", c.Wait, r.number, len(ticket)))
		switch end, limited := ctx.Deadline(); {
		case r.number >= maxTickets:
			return fmt.Errorf("not admitted: %d tickets, and no place", r.number)
		case limited && time.Now().Add(wait).After(end):
			return fmt.Errorf("not admitted: the registrar wants %s more, longer than --timeout allows", c.Wait)
		}
		if err := r.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// ask makes a request. It repeats a request with a ticket once, because the ticket is accepted for
// a few seconds only.
func (r *registration) ask(ctx context.Context, ticket []byte) (discv5.TopicConfirmation, error) {
	defer r.t.showing(asking(r.node))()
	r.number++
	c, err := r.node.RegisterTopic(ctx, r.to.contact, r.top.id, ticket)
	if errors.Is(err, discv5.ErrTimeout) && len(ticket) > 0 && ctx.Err() == nil {
		c, err = r.node.RegisterTopic(ctx, r.to.contact, r.top.id, ticket)
	}
	if err != nil {
		const refusal = "it refuses an ad if the record does not name the address that it sees (--extip)"
		return c, explainSilence(ctx, r.node, r.to, refusal, err)
	}
	return c, nil
}

// pause waits, and shows on a terminal how long it still takes.
func (r *registration) pause(ctx context.Context, d time.Duration) error {
	end := time.Now().Add(d)
	defer r.t.showing(func() string {
		return fmt.Sprintf("waiting for %s: %s of %s", r.to.id().Short(), time.Until(end).Round(time.Second), d.Round(time.Second))
	})()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
