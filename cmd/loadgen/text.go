package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/load"
)

// text is the report for people.
func (r *report) text() string {
	var b strings.Builder
	c, res := &r.cfg, r.result
	fmt.Fprintf(&b, "%s at %s: %s\n", c.Target.ID.Short(), c.Target.Addr, r.title())
	fmt.Fprintf(&b, "from %s, %s\n", r.from(), r.transport())
	if p := r.prepared; p.Sessions > 0 && p.Latency.Count() > 0 {
		fmt.Fprintf(&b, "%s sessions made in %s, %s handshakes retried; a handshake took %s (p50), %s (p99)\n",
			count(uint64(p.Sessions)), span(p.Elapsed), count(uint64(p.Failed)), span(p.Latency.Quantile(0.5)), span(p.Latency.Quantile(0.99)))
	}
	if res.Interrupted {
		b.WriteString("interrupted: these are the figures until then\n")
	}
	b.WriteString("\n")
	r.table(&b)
	b.WriteString("\n")
	for _, l := range r.lines() {
		fmt.Fprintf(&b, "%-10s %s\n", l[0], l[1])
	}
	return b.String()
}

// title describes the requests of a run.
func (r *report) title() string {
	c := &r.cfg
	loop := fmt.Sprintf("closed loop, %s under way", count(uint64(c.Window)))
	if c.Rate > 0 {
		loop = fmt.Sprintf("open loop, %s a second, %s", decimal(c.Rate), r.options.arrivals)
	}
	what := c.Mix.String()
	if c.Mix[load.Handshake] > 0 && c.Handshake != load.GoodHandshake {
		what += " (" + c.Handshake.String() + ")"
	}
	if c.Mix[load.RegTopic] > 0 {
		what += " (tickets: " + c.Tickets.String() + ")"
	}
	return fmt.Sprintf("%s, %s, for %s", what, loop, span(r.result.Sending))
}

// from says who asked.
func (r *report) from() string {
	c, i := &r.cfg, r.info
	var parts []string
	if c.Mix[load.Ping]+c.Mix[load.FindNode]+c.Mix[load.Talk]+c.Mix[load.RegTopic]+c.Mix[load.TopicQuery] > 0 {
		parts = append(parts, count(uint64(c.Identities))+" identities")
	}
	if c.Mix[load.Junk] > 0 {
		if c.JunkIDs > 0 {
			parts = append(parts, count(uint64(c.JunkIDs))+" node IDs of junk")
		} else {
			parts = append(parts, "a new node ID for each junk packet")
		}
	}
	return strings.Join(append(parts, counted(i.Sockets, "port", "ports"), counted(i.Sources, "address", "addresses")), ", ")
}

// transport says how.
func (r *report) transport() string {
	i := r.info
	gso := fmt.Sprintf("GSO batches of up to %d", i.GSOBatch)
	if !i.GSO {
		gso = "no GSO (" + i.GSOReason + ")"
	}
	gro := "GRO"
	if !i.GRO {
		gro = "no GRO (" + i.GROReason + ")"
	}
	return fmt.Sprintf("%s, %s, %s, %s", i.Path, gso, gro, cli.Count(i.Workers, "worker"))
}

// table has a row for each kind, and one for all if there are several.
func (r *report) table(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tsent\tanswered\tper s\tlost\tmean\tp50\tp90\tp99\tp99.9\tp99.99\tmax\t")
	row := func(name string, c load.Counts, h *load.Histogram) {
		j := r.counts(c, h)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t", name, count(c.Sent), count(c.Answered), rate(j.Rate), count(c.Lost))
		if h.Count() == 0 {
			fmt.Fprintln(w, "-\t-\t-\t-\t-\t-\t-\t")
			return
		}
		fmt.Fprintf(w, "%s\t", span(h.Mean()))
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999} {
			fmt.Fprintf(w, "%s\t", span(h.Quantile(q)))
		}
		fmt.Fprintf(w, "%s\t\n", span(h.Max()))
	}
	for _, k := range r.result.Kinds {
		row(k.Kind.String(), k.Counts, k.Latency)
	}
	if len(r.result.Kinds) > 1 {
		row("all", r.result.Total, r.result.Latency)
	}
	w.Flush()
}

// lines are the other figures, each with its name.
func (r *report) lines() (list [][2]string) {
	add := func(name, format string, args ...any) {
		list = append(list, [2]string{name, fmt.Sprintf(format, args...)})
	}
	res := r.result
	e, t, u := res.Events, res.Traffic, res.Usage
	add("loss", "%s of %s; %s late answers, %s not sent for want of room, %d pending", part(res.Loss()), count(res.Total.Sent+res.Total.Unsent), count(e.Late), count(res.Total.Unsent), res.Pending)
	add("WHOAREYOU", "%s; %s sessions renewed, %s requests resent", count(e.Whoareyou), count(e.Rekeys), count(e.Resent))
	if e.Accepted > 0 {
		add("ATTENTION", "the target accepted bad handshakes: %s messages opened", count(e.Accepted))
	}
	if r.cfg.Mix[load.FindNode] > 0 {
		add("records", "%s in NODES", count(e.Records))
	}
	top := &res.Topics
	if r.cfg.Mix[load.RegTopic] > 0 {
		add("topics", "%s registrations admitted, %s got a ticket; %s had one; waits of %s (mean), %s (longest); tickets of up to %d bytes",
			count(top.Admitted), count(top.Quoted), count(top.Presented), span(top.WaitMean()), span(top.WaitMax), top.TicketMax)
	}
	if top.Skipped > 0 {
		add("skipped", "%s registrations were due while all identities had to wait", count(top.Skipped))
	}
	if r.cfg.Mix[load.TopicQuery] > 0 {
		add("ads", "%s in TOPICNODES; %s queries found none", count(top.Ads), count(top.Empty))
	}
	if top.Auxiliary > 0 {
		add("auxiliary", "%s records of registrars beside the answers", count(top.Auxiliary))
	}
	if top.Bad() > 0 {
		add("ATTENTION", "bad answers about topics: %s waits, %s tickets, %s ads, %s with two confirmations or none",
			count(top.BadWait), count(top.BadTicket), count(top.BadAds), count(top.BadAnswer))
	}
	if e.Bad()+e.Asked > 0 {
		add("odd", "%s from elsewhere, %s for nobody, %s malformed, %s did not open, %s stray WHOAREYOU; %s requests of the target", count(e.Foreign), count(e.Unmatched), count(e.Malformed), count(e.Unopened), count(e.Stray), count(e.Asked))
	}
	add("traffic", "%s packets out (%s) in %s calls, %s in (%s) in %s calls, %s GRO batches", count(t.TxDatagrams), size(t.TxBytes), count(t.TxBatches), count(t.RxDatagrams), size(t.RxBytes), count(t.RxBatches), count(t.RxGRO))
	switch {
	case u.TargetKnown:
		cpu := u.TargetUser + u.TargetSystem
		line := fmt.Sprintf("%s CPU (%s user, %s system), %.2f cores, %s resident", span(cpu), span(u.TargetUser), span(u.TargetSystem), cpu.Seconds()/res.Elapsed.Seconds(), size(u.TargetRSS))
		if n := res.Total.Answered; n > 0 {
			line += fmt.Sprintf(", %.2f µs for each answer", micros(cpu)/float64(n))
		}
		add("target", "%s", line)
	case res.TargetGone:
		add("target", "its process ended during the run")
	case r.note != "":
		add("target", "%s", r.note)
	}
	own := u.OwnUser + u.OwnSystem
	add("generator", "%s CPU (%s user, %s system), %.2f cores, busy %s of the time", span(own), span(u.OwnUser), span(u.OwnSystem), own.Seconds()/res.Elapsed.Seconds(), part(res.Busy))
	if u.StealKnown {
		add("steal", "%s of this machine's CPU time went to others", span(u.Steal))
	}
	limits := res.Limits()
	if len(limits) == 0 {
		limits = []string{"no sign that the generator was one"}
	}
	add("limit", "%s", strings.Join(limits, "; "))
	for _, c := range r.checks {
		word := "kept"
		if !c.OK {
			word = "NOT KEPT"
		}
		add("threshold", "--%s %s: %s, %s", c.Name, c.show(c.Limit), c.show(c.Value), word)
	}
	return list
}

// count writes a number with commas.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted returns a number, grouped as by count, with its noun.
func counted(n int, one, more string) string {
	if n == 1 {
		more = one
	}
	return count(uint64(n)) + " " + more
}

// rate writes a number for each second, a small one with the digits that it needs.
func rate(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	return count(uint64(v))
}

// decimal writes a number without more digits than it needs.
func decimal(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// part writes a part of a whole.
func part(v float64) string { return strconv.FormatFloat(100*v, 'g', 3, 64) + "%" }

// span writes a time with three digits or so.
func span(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < 10*time.Microsecond:
		return d.Round(10 * time.Nanosecond).String()
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// size writes a number of bytes.
func size(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for ; v >= unit && i < 4; i++ {
		v /= unit
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i])
}
