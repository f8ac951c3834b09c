package simnet

import (
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/topic"
)

// Rules about topics. The audit reads the ads of each registrar once per tick, and opens the topic
// requests and the answers to them. See registrarModel for the rules about waiting times.
const (
	// RuleAds: a registrar holds at most as many ads as its capacity, and one of each advertiser
	// and topic.
	RuleAds Rule = "ads"
	// RuleAdLife: an ad expires one lifetime after its admission at the latest, nothing prolongs
	// it, and the registrar states no longer life.
	RuleAdLife Rule = "adlife"
	// RuleAdOwner: the record of an ad is signed by the advertiser, which is not the registrar.
	RuleAdOwner Rule = "adowner"
	// RuleAdWait: an ad is admitted at the end of an unbroken chain of waits that is as long as the
	// waiting time at that moment, less Slack.
	RuleAdWait Rule = "adwait"
	// RuleQuote: a registrar quotes no less than what is left of the waiting time with its lower
	// bounds.
	RuleQuote Rule = "quote"
	// RuleCapable: a node whose record does not name the capability gets no REGTOPIC and no
	// TOPICQUERY.
	RuleCapable Rule = "capable"
)

// adKey names an ad at one registrar.
type adKey struct {
	id    enr.ID
	topic topic.Topic
}

// ads checks the ads that the node's registrar holds.
func (a *auditor) ads() {
	r := a.m.eng.Registrar()
	if r == nil {
		return
	}
	nd, now := a.nd, a.nd.Clock()
	limits := registrarLimits(a.m.config.Registrar)
	held, count := make(map[adKey]time.Duration, len(a.held)), 0
	r.All(now, func(ad *topic.Ad) bool {
		count++
		a.ad(held, ad, now, limits.Lifetime)
		return true
	})
	a.held = held
	a.model().follow(now, r)
	if count == 0 {
		return
	}
	nd.n.audit.checks.Ads++
	if count > limits.Capacity {
		nd.n.violated(nd, RuleAds, "%d ads, at most %d are allowed", count, limits.Capacity)
	}
}

// registrarLimits returns the configuration of a registrar with the defaults filled in.
func registrarLimits(c *topic.Config) topic.Config {
	limits := topic.Config{
		Capacity: topic.DefaultCapacity, Lifetime: topic.DefaultLifetime, Exponent: topic.DefaultExponent,
		Safety: topic.DefaultSafety, WaitScale: 1, Slack: topic.DefaultSlack, Window: topic.DefaultWindow,
	}
	if c == nil {
		return limits
	}
	orFloat := func(to *float64, f float64) {
		if f > 0 {
			*to = f
		}
	}
	if c.Capacity > 0 {
		limits.Capacity = c.Capacity
	}
	limits.Lifetime, limits.Window = orDefault(c.Lifetime, limits.Lifetime), orDefault(c.Window, limits.Window)
	if c.Slack != 0 {
		limits.Slack = max(c.Slack, 0)
	}
	orFloat(&limits.Exponent, c.Exponent)
	orFloat(&limits.Safety, c.Safety)
	orFloat(&limits.WaitScale, c.WaitScale)
	return limits
}

// ad checks one ad, and notes when it expires in held. The registrar is locked.
func (a *auditor) ad(held map[adKey]time.Duration, ad *topic.Ad, now, lifetime time.Duration) {
	nd, checks := a.nd, &a.nd.n.audit.checks
	key := adKey{ad.ID, ad.Topic}
	checks.Ads++
	if _, twice := held[key]; twice {
		nd.n.violated(nd, RuleAds, "two ads of %s for one topic", ad.ID.Short())
	}
	held[key] = ad.Expires

	checks.AdLife++
	if ad.Expires <= now || ad.Expires > now+lifetime {
		nd.n.violated(nd, RuleAdLife, "the ad of %s expires at %v, it is %v, and ads live for %v",
			ad.ID.Short(), ad.Expires, now, lifetime)
	}
	if was, ok := a.held[key]; ok && was > now && ad.Expires != was {
		nd.n.violated(nd, RuleAdLife, "the ad of %s expires at %v, and was to expire at %v",
			ad.ID.Short(), ad.Expires, was)
	}

	checks.AdOwner++
	v, err := enr.ParseView(ad.Record())
	var rec *enr.Record
	if err == nil {
		rec, err = nd.n.records.Verify(v)
	}
	switch {
	case err != nil:
		nd.n.violated(nd, RuleAdOwner, "record in the ad of %s: %v", ad.ID.Short(), err)
	case rec.ID() != ad.ID || rec.ID() == nd.ID():
		nd.n.violated(nd, RuleAdOwner, "the ad of %s has the record of %s", ad.ID.Short(), rec.ID().Short())
	}
}

// asks checks that a node to which this one sends a topic request is a registrar.
func (a *auditor) asks(to *Node, kind codec.MessageType) {
	if kind != codec.TypeRegTopic && kind != codec.TypeTopicQuery {
		return
	}
	a.nd.n.audit.checks.Capable++
	if !to.engine().Record().SupportsTopics() {
		a.nd.n.violated(a.nd, RuleCapable, "%s to %s, which is no registrar", kind, to.ID().Short())
	}
}

// model returns the model of the node's registrar.
func (a *auditor) model() *registrarModel {
	if a.registrar == nil {
		a.registrar = newRegistrarModel(a.m.begun)
	}
	return a.registrar
}

// registers notes a REGTOPIC that the node receives.
func (a *auditor) registers(from netip.AddrPort, id enr.ID, body []byte) {
	var m codec.RegTopic
	if a.m.eng.Registrar() != nil && m.Decode(body) == nil {
		a.model().arrives(a.nd.Clock(), askedKey{id, m.RequestID}, content{
			topic: topic.Topic(m.Topic), source: from.Addr(), record: string(m.Record), ticket: string(m.Ticket),
		})
	}
}

// decides follows what the registrar has decided about a request. It runs in the engine, right
// after the decision.
func (a *auditor) decides(request codec.RequestID, q *topic.Request, v topic.Verdict) {
	if !v.Result.Answered() {
		return
	}
	nd, r := a.nd, a.m.eng.Registrar()
	m, now, limits := a.model(), nd.Clock(), registrarLimits(a.m.config.Registrar)
	what := &registration{
		key: adKey{q.ID, q.Topic}, request: request, at: now, result: v.Result,
		content: content{topic: q.Topic, source: q.Source.Addr(), record: string(q.Record.Bytes()), ticket: string(q.Ticket)},
	}
	if !m.came(askedKey{q.ID, request}, what.content) {
		nd.n.violated(nd, RuleAdWait, "decides about another request than that of %s", q.ID.Short())
	}
	if missing := m.decide(now, what, &limits); missing > 0 {
		nd.n.violated(nd, RuleAdWait, "%s was admitted %v before its waiting time of %v was over", q.ID.Short(), missing, what.need)
	}
	// The bound without a place may be an old one, or that of this decision.
	if evicted := r.Stats().BoundsEvicted; evicted != m.evicted {
		m.evicted = evicted
		clear(m.addrBounds)
	}
	if what.result == topic.Admitted && what.seen {
		nd.n.audit.checks.AdWait++
	}
}

// confirms looks at a REGCONFIRMATION that reaches the advertiser.
func (a *auditor) confirms(to enr.ID, body []byte) {
	var m codec.RegConfirmation
	if a.m.eng.Registrar() == nil || m.Decode(body) != nil {
		return
	}
	wait := never
	if m.WaitTime < uint64(never/time.Millisecond) {
		wait = time.Duration(m.WaitTime) * time.Millisecond
	}
	q := a.model().asked[askedKey{to, m.RequestID}]
	if len(m.Ticket) > 0 {
		a.model().issued(a.nd.Clock(), string(m.Ticket), q, wait)
	}
	switch {
	case q == nil || !q.seen:
	case len(m.Ticket) > 0:
		a.nd.n.audit.checks.Quote++
		if q.result.Placed() || wait+modelTolerance(q.need) < q.quote {
			a.nd.n.violated(a.nd, RuleQuote, "quotes %v to %s, the least that is allowed is %v (%s)",
				wait, to.Short(), q.quote, q.result)
		}
	default:
		a.nd.n.audit.checks.AdLife++
		if wait > q.left {
			a.nd.n.violated(a.nd, RuleAdLife, "states %v for an ad of %s that lives %v", wait, to.Short(), q.left)
		}
	}
}
