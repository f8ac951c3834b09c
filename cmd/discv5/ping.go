package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
)

func newPing(t *tool) *cobra.Command {
	n := &network{t: t}
	count := 3
	interval := cli.Seconds(time.Second)
	c := &cobra.Command{
		Use: "ping NODE", Short: "Ask whether a node is alive, and how far away",
		Long: "Send PING to a node and print the time of each answer. The first PING needs a handshake;\n" +
			"its time is that of the last round trip. Exit code 1: no answer at all.",
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if count < 0 {
				return cli.Usagef("--count %d: is negative", count)
			}
			ctx := c.Context()
			if err := n.parse(ctx); err != nil {
				return err
			}
			node, to, err := n.startFor(ctx, args)
			if err != nil {
				return err
			}
			defer node.Close()
			p := &pinger{t: t, node: node, to: to, addr: to.addr(node.Addrs())}
			if !t.json {
				t.write([]byte(fmt.Sprintf("PING %s at %s\n", to.id(), p.addr)))
			}
			return p.run(ctx, count, time.Duration(interval))
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVarP(&count, "count", "c", count, "`NUMBER` of pings; 0 until interrupted")
	f.VarP(&interval, "interval", "i", "`TIME` between pings")
	n.flags(f, "timeout", "W", false)
	return c
}

// pingResult is one PING. Error is empty if it was answered.
type pingResult struct {
	Event     string   `json:"event"` // pong or lost
	Number    int      `json:"number"`
	Addr      string   `json:"addr"`
	RTT       *float64 `json:"rttMs,omitempty"`
	RecordSeq uint64   `json:"enrSeq,omitempty"`
	Endpoint  string   `json:"endpoint,omitempty"` // where the node sees this one
	Error     string   `json:"error,omitempty"`
}

// pingSummary is what ping ends with.
type pingSummary struct {
	Event    string  `json:"event"` // summary
	NodeID   string  `json:"nodeId"`
	Sent     int     `json:"sent"`
	Received int     `json:"received"`
	Loss     float64 `json:"lossPercent"`
	Time     float64 `json:"timeMs"`
	RTT      *rtts   `json:"rttMs,omitempty"`
}

// rtts sums up the times of the answers.
type rtts struct {
	Min  float64 `json:"min"`
	Avg  float64 `json:"avg"`
	Max  float64 `json:"max"`
	MDev float64 `json:"mdev"`
}

// pinger is one run of ping.
type pinger struct {
	t        *tool
	node     *discv5.Node
	to       target
	addr     netip.AddrPort
	sent     int
	received int
	sum, sq  float64
	min, max float64
}

// run pings and prints the summary, even if the user interrupts it.
func (p *pinger) run(ctx context.Context, count int, interval time.Duration) error {
	began := time.Now()
	next := time.NewTimer(0)
	defer next.Stop()
	var last error
	for (count == 0 || p.sent < count) && ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-next.C:
		}
		next.Reset(interval)
		if err := p.one(ctx); err != nil {
			last = err
			// Errors that a further ping cannot change.
			if errors.Is(err, discv5.ErrNoEndpoint) || errors.Is(err, discv5.ErrSelf) {
				return err
			}
		}
	}
	p.summary(time.Since(began))
	switch {
	case p.received > 0:
		return nil
	case last == nil:
		return ctx.Err()
	}
	return last
}

func (p *pinger) one(ctx context.Context) error {
	p.sent++
	r := pingResult{Event: "lost", Number: p.sent, Addr: p.addr.String()}
	pong, err := p.node.Ping(ctx, p.to.contact)
	switch {
	case ctx.Err() != nil:
		p.sent-- // interrupted: this proves nothing about the node
		return nil
	case err != nil:
		r.Error = oneLine(err)
		p.t.print(r, fmt.Sprintf("no answer from %s: number=%d (%s)", r.Addr, r.Number, r.Error))
		return err
	}
	ms := float64(pong.RTT) / float64(time.Millisecond)
	p.received++
	p.sum, p.sq = p.sum+ms, p.sq+ms*ms
	if p.received == 1 {
		p.min, p.max = ms, ms
	}
	p.min, p.max = math.Min(p.min, ms), math.Max(p.max, ms)
	rtt := round(ms)
	r.Event, r.RTT, r.RecordSeq, r.Endpoint = "pong", &rtt, pong.RecordSeq, pong.Endpoint.String()
	p.t.print(r, fmt.Sprintf("PONG from %s: number=%d enr-seq=%d endpoint=%s time=%.3f ms", r.Addr, r.Number, r.RecordSeq, r.Endpoint, ms))
	return nil
}

func (p *pinger) summary(took time.Duration) {
	s := pingSummary{Event: "summary", NodeID: p.to.id().String(), Sent: p.sent, Received: p.received, Time: round(float64(took) / float64(time.Millisecond))}
	if p.sent > 0 {
		s.Loss = round(100 * float64(p.sent-p.received) / float64(p.sent))
	}
	text := fmt.Sprintf("--- %s ping statistics ---\n%d sent, %d received, %.4g%% loss, time %.0f ms", p.to.id(), s.Sent, s.Received, s.Loss, s.Time)
	if p.received > 0 {
		avg := p.sum / float64(p.received)
		dev := math.Sqrt(math.Max(0, p.sq/float64(p.received)-avg*avg))
		s.RTT = &rtts{round(p.min), round(avg), round(p.max), round(dev)}
		text += fmt.Sprintf("\nrtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms", p.min, avg, p.max, dev)
	}
	p.t.print(s, text)
}

// round rounds to three decimal places: microseconds of a time in milliseconds.
func round(x float64) float64 { return math.Round(x*1000) / 1000 }
