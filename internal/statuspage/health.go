package statuspage

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/quote"
)

// startupTime is how long a node may know nobody before that is a warning.
const startupTime = 2 * time.Minute

// kernelDropsPerSecond is the rate of drops by the kernel that is a warning. deploy/alerts.yml has
// the same number.
const kernelDropsPerSecond = 100

// errorText returns the text of an error without the names of packages. The caller makes control
// characters visible.
func errorText(err error) string {
	text := ": " + err.Error()
	for _, name := range []string{"discv5", "engine", "fastpath"} {
		text = strings.ReplaceAll(text, ": "+name+": ", ": ")
	}
	return text[len(": "):]
}

// conditionsOf returns what an operator should know.
func (p *Page) conditionsOf(now time.Time, s *Status, kernelDrops float64, refused bool) (list []Condition) {
	add := func(level Level, format string, args ...any) {
		list = append(list, Condition{level, visible(quote.Line(fmt.Sprintf(format, args...))), format})
	}
	select {
	case <-p.node.Done():
		add(Failing, "The node is closing")
	default:
	}
	if err := p.node.Err(); err != nil {
		add(Failing, "A socket has failed: %s", errorText(err))
	}
	if s.Table.Live == 0 && now.Sub(p.started) >= startupTime {
		reason := "no node has contacted it yet"
		if d := p.node.Diagnose(); len(d.Reasons) > 0 {
			reason = errorText(d.Reasons[0])
		}
		add(Warning, "The node knows nobody who answers: %s", reason)
	}
	for _, r := range s.Reach {
		if r.State == stateInDoubt {
			add(Warning, "The IPv%d address is in doubt: %s", r.Family, r.Reason)
		}
	}
	if len(s.Reach) == 2 && s.Reach[0].State == stateNone && s.Reach[1].State == stateNone {
		add(Warning, "The record names no address, so that other nodes cannot find this node")
	}
	if kernelDrops > kernelDropsPerSecond {
		add(Warning, "The kernel drops %s datagrams a second: the receive buffer is too small, or this is a flood", number(kernelDrops))
	}
	if refused {
		add(Warning, "New sessions are refused: --max-sessions is too small")
	}
	if p.cfg.Conditions != nil {
		list = append(list, p.cfg.Conditions()...)
	}
	return list
}

// healthOf sums up conditions.
func healthOf(list []Condition, live int) Health {
	gravest := -1
	for i, c := range list {
		if gravest < 0 || c.Level == Failing && list[gravest].Level != Failing {
			gravest = i
		}
	}
	if gravest >= 0 {
		h := Health{Level: list[gravest].Level, Reason: list[gravest].Text}
		for i, c := range list {
			if i != gravest {
				h.Further = append(h.Further, c)
			}
		}
		return h
	}
	if live > 0 {
		return Health{Level: OK, Reason: fmt.Sprintf("All sockets receive, and %s of the table answer", plural(live, "node"))}
	}
	return Health{Level: OK, Reason: "All sockets receive; the node has just started and knows nobody yet"}
}

// watchConditions adds an event for each condition that has begun or ended since the last call.
func (p *Page) watchConditions(now time.Time) {
	s := p.status(now)
	current := make(map[string]Condition)
	for _, c := range s.conditions {
		key := cmp.Or(c.key, c.Text)
		current[key] = c
		if _, ok := p.known[key]; !ok {
			p.events.add(now, c.Level, c.Text)
		}
	}
	for key, c := range p.known {
		if _, ok := current[key]; !ok {
			p.events.add(now, OK, "Over: "+c.Text)
		}
	}
	p.known = current
}

// States of Reach.
const (
	stateReachable = "reachable"
	stateUnproven  = "unproven"
	stateLocal     = "local"
	stateInDoubt   = "in_doubt"
	stateNone      = "none"
)

// sourceNames say where an address comes from.
var sourceNames = map[discv5.AddressSource]string{
	discv5.AddressConfigured: "from --extip", discv5.AddressPinned: "from --nat", discv5.AddressInterface: "from an interface or --addr",
	discv5.AddressVoted: "voted for by peers", discv5.AddressSaved: "of the last run",
}

// reachOf says whether peers reach the node at its address of one family, and why the page thinks
// so.
func reachOf(a discv5.AddressState) Reach {
	r := Reach{Family: a.Family.Version()}
	if !a.Endpoint.IsValid() {
		r.State, r.Reason = stateNone, "The record names no address of this family"
		if a.Revoked.IsValid() {
			r.Reason = fmt.Sprintf("Peers did not reach %v, so the record dropped it; votes for it count from %s", a.Revoked, a.RevokedUntil.UTC().Format("15:04 MST"))
		}
		return r
	}
	r.Endpoint = a.Endpoint.String()
	from := sourceNames[a.Source]
	switch {
	case a.InDoubt && a.Rival.IsValid() && a.RivalVotes > a.Votes:
		r.State, r.Reason = stateInDoubt, fmt.Sprintf("%s see the node at %v, and %d at this address (%s)", plural(a.RivalVotes, "peer"), a.Rival, a.Votes, from)
	case a.InDoubt:
		r.State, r.Reason = stateInDoubt, fmt.Sprintf("%s that should have found the node did not; at %d the record drops the address (%s)", plural(a.Missed, "network"), a.MissedMax, from)
	case a.Proven:
		r.State, r.Reason = stateReachable, "Peers that this node had not contacted reached it here"
		for i, n := range a.ProvenBy {
			r.Reason += []string{": from ", " and "}[min(i, 1)] + n.String()
		}
		r.Reason += fmt.Sprintf(" (%s)", from)
	case netaddr.ClassOf(a.Endpoint.Addr()) != netaddr.Global:
		who := "nodes of this network"
		if a.Endpoint.Addr().IsLoopback() {
			who = "this machine"
		}
		r.State, r.Reason = stateLocal, fmt.Sprintf("Only "+who+" can reach this %v address (%s)", netaddr.ClassOf(a.Endpoint.Addr()), from)
	default:
		r.State, r.Reason = stateUnproven, fmt.Sprintf("No peer from outside has made contact here yet; nothing speaks against the address (%s)", from)
	}
	return r
}
