package simnet

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/topic"
)

// registrarModel is what the audit knows about a registrar, from the requests and answers that it
// has seen: a list of ads in place of the cache, and no tickets in place of those of the registrar,
// but what each of them was issued for. It computes waiting times from the text of the
// specification, without trees or tables.
type registrarModel struct {
	begun time.Duration // network time

	ads     map[adKey]modelAd
	ended   map[adKey]time.Duration // when the last ad did
	topics  map[topic.Topic]int     // ads
	evicted uint64                  // bounds that the registrar had no room for

	// lower bounds, by the time at which they reach zero
	topicBounds map[topic.Topic]time.Duration
	addrBounds  map[netip.Prefix]time.Duration

	arrived map[askedKey]received      // requests
	asked   map[askedKey]*registration // those that may still be answered
	tickets map[string]modelTicket     // those that may still be presented
	pruned  time.Duration              // when the maps were last cleaned up
	fresh   map[adKey]struct{}         // scratch
}

type modelAd struct {
	addr    netip.Addr
	counted bool // in the tree
	expires time.Duration
}

// askedKey names a request: by the advertiser and its request ID.
type askedKey struct {
	id      enr.ID
	request codec.RequestID
}

// content is what a REGTOPIC asks for.
type content struct {
	topic  topic.Topic
	source netip.Addr
	record string
	ticket string
}

// received is a request ID with all that arrived under it.
type received struct {
	contents []content
	at       time.Duration
}

// registration is a REGTOPIC that a registrar has decided about.
type registration struct {
	key     adKey
	request codec.RequestID
	content

	at     time.Duration
	result topic.Result
	first  time.Duration // beginning of the chain
	seen   bool          // from its beginning
	need   time.Duration // waiting time
	quote  time.Duration // least wait-time of the answer, if the ad is not placed
	left   time.Duration // life of the ad, if it is
}

// modelTicket is what a ticket was issued for. A ticket is not seen if the request was not.
type modelTicket struct {
	*registration
	opens time.Duration
}

func newRegistrarModel(begun time.Duration) *registrarModel {
	return &registrarModel{
		begun: begun, ads: make(map[adKey]modelAd), ended: make(map[adKey]time.Duration), topics: make(map[topic.Topic]int),
		topicBounds: make(map[topic.Topic]time.Duration), addrBounds: make(map[netip.Prefix]time.Duration),
		asked: make(map[askedKey]*registration), tickets: make(map[string]modelTicket),
		arrived: make(map[askedKey]received),
	}
}

// earlyTicket is how long before its time a ticket counts.
const earlyTicket = 250 * time.Millisecond

// modelTolerance is how far a waiting time may be off: it is computed from floating-point numbers
// in another order.
func modelTolerance(w time.Duration) time.Duration { return time.Millisecond + w/1e9 }

// expire ends the ads whose time is over.
func (m *registrarModel) expire(now time.Duration) {
	for k, ad := range m.ads {
		if ad.expires <= now {
			m.remove(k, ad.expires)
		}
	}
}

func (m *registrarModel) remove(k adKey, at time.Duration) {
	delete(m.ads, k)
	m.ended[k] = at
	if m.topics[k.topic]--; m.topics[k.topic] == 0 {
		delete(m.topics, k.topic)
		delete(m.topicBounds, k.topic)
	}
}

func (m *registrarModel) add(k adKey, ad modelAd) {
	if _, ok := m.ads[k]; !ok {
		m.topics[k.topic]++
	}
	m.ads[k] = ad
}

// follow makes the list of ads that of the registrar, where ads were removed or admitted without a
// request that the audit has seen, and forgets what is over.
func (m *registrarModel) follow(now time.Duration, r *topic.Registrar) {
	m.expire(now)
	m.fresh = make(map[adKey]struct{}, len(m.ads))
	r.All(now, func(ad *topic.Ad) bool {
		k := adKey{ad.ID, ad.Topic}
		m.fresh[k] = struct{}{}
		if _, ok := m.ads[k]; !ok {
			addr, _ := ad.Addr()
			m.add(k, modelAd{addr, netaddr.ClassOf(addr) == netaddr.Global, ad.Expires})
		}
		return true
	})
	for k := range m.ads {
		if _, ok := m.fresh[k]; !ok {
			m.remove(k, now)
		}
	}
	if now-m.pruned < time.Minute {
		return
	}
	m.pruned = now
	for k, q := range m.asked {
		if now-q.at > time.Minute {
			delete(m.asked, k)
		}
	}
	for s, t := range m.tickets {
		if now > t.opens+time.Minute {
			delete(m.tickets, s)
		}
	}
	for k, a := range m.arrived {
		if now-a.at > time.Minute {
			delete(m.arrived, k)
		}
	}
	for k, at := range m.ended {
		if now > at+time.Minute {
			delete(m.ended, k)
		}
	}
	for k, until := range m.addrBounds {
		if now > until {
			delete(m.addrBounds, k)
		}
	}
}

// issued notes a ticket that an advertiser has received for q, which is nil if the request was not
// seen.
func (m *registrarModel) issued(now time.Duration, ticket string, q *registration, wait time.Duration) {
	if _, ok := m.tickets[ticket]; ok {
		return
	}
	if q == nil {
		q = &registration{at: now}
	}
	m.tickets[ticket] = modelTicket{q, q.at + wait}
}

// chain finds out when the chain of waits that q belongs to began.
func (m *registrarModel) chain(now time.Duration, q *registration, c *topic.Config) {
	q.first, q.seen = now, true
	if q.ticket == "" {
		return
	}
	t, ok := m.tickets[q.ticket]
	switch {
	case !ok:
		// Answers are not looked at while the node is young.
		q.seen = now > settling+c.Lifetime+c.Window+time.Minute
	case !t.seen:
		q.seen = false
	case t.key != q.key || t.source != q.source || t.record != q.record:
	case now < t.opens-earlyTicket || now > t.opens+c.Window:
	case t.first < m.ended[q.key]: // the chain has paid for an ad already
	default:
		q.first = t.first
	}
}

// arrives notes a REGTOPIC that has arrived and that the audit could open.
func (m *registrarModel) arrives(now time.Duration, k askedKey, c content) {
	m.arrived[k] = received{append(m.arrived[k].contents, c), now}
}

// came reports whether a request has arrived with these contents. It has as well if the audit could
// open none with its ID: the first message of a session is in a handshake.
func (m *registrarModel) came(k askedKey, c content) bool {
	list := m.arrived[k].contents
	return len(list) == 0 || slices.Contains(list, c)
}

// decide follows the registrar's result about q.
func (m *registrarModel) decide(now time.Duration, q *registration, c *topic.Config) (missing time.Duration) {
	m.expire(now)
	m.chain(now, q, c)
	if q.result == topic.Known {
		q.left = m.ads[q.key].expires - now
		if _, ok := m.ads[q.key]; !ok {
			q.seen = false
		}
	} else {
		m.wait(now, q, c)
	}
	rest := q.need - (now - q.first)
	switch {
	case q.result == topic.Admitted:
		q.left = c.Lifetime
		m.add(q.key, modelAd{q.source, netaddr.ClassOf(q.source) == netaddr.Global, now + c.Lifetime})
		if q.seen && rest > c.Slack+modelTolerance(q.need) {
			missing = rest
		}
	case q.result != topic.Known:
		q.quote = min(rest, c.Lifetime)
	}
	k := askedKey{q.key.id, q.request}
	if old := m.asked[k]; old != nil && now-old.at < 10*time.Second && old.ticket == q.ticket {
		// The request came twice. Either answer may be the one that arrives.
		q.at, q.first, q.seen = old.at, min(old.first, q.first), q.seen && old.seen
		q.quote, q.left = min(q.quote, old.quote), max(q.left, old.left)
		if old.result != q.result {
			q.seen = false
		}
	}
	m.asked[k] = q
	return missing
}

// wait computes the waiting time of q from the text (discv5-theory.md, Waiting-Time Function, IP
// Similarity Tree, Waiting-Time Lower Bound), and keeps the bounds if the ad was not admitted.
func (m *registrarModel) wait(now time.Duration, q *registration, c *topic.Config) {
	n := float64(len(m.ads))
	if len(m.ads) >= c.Capacity {
		q.need = never / 4
		return
	}
	base := float64(c.Lifetime) * c.WaitScale * math.Pow(1-n/float64(c.Capacity), -c.Exponent)
	same := m.topics[q.key.topic]
	byTopic, byAddr := time.Duration(0), time.Duration(0)
	if n > 0 {
		byTopic = toDuration(base * float64(same) / n)
	}
	counted := netaddr.ClassOf(q.source) == netaddr.Global
	var prefix netip.Prefix
	if counted {
		var score float64
		score, prefix = m.score(q.source)
		byAddr = toDuration(base * score)
	}
	withBounds := [2]time.Duration{byTopic, byAddr}
	if same > 0 {
		withBounds[0] = max(byTopic, m.topicBounds[q.key.topic]-now)
	}
	if counted {
		withBounds[1] = max(byAddr, m.addrBounds[prefix]-now)
	}
	q.need = withBounds[0] + withBounds[1] + toDuration(base*c.Safety)
	if q.result == topic.Admitted {
		return
	}
	if same > 0 {
		m.topicBounds[q.key.topic] = max(m.topicBounds[q.key.topic], now+min(byTopic, c.Lifetime))
	}
	if counted {
		m.addrBounds[prefix] = max(m.addrBounds[prefix], now+min(byAddr, c.Lifetime))
	}
}

func toDuration(ns float64) time.Duration { return time.Duration(min(ns, float64(never/4))) }

// score returns the score of an address among those of the ads, and its longest prefix that any of
// them has.
func (m *registrarModel) score(addr netip.Addr) (float64, netip.Prefix) {
	levels := 64
	if addr.Is4() {
		levels = 32
	}
	var shared [65]int // addresses that share exactly so many bits
	total, longest := 0, 0
	for _, ad := range m.ads {
		if !ad.counted || ad.addr.Is4() != addr.Is4() {
			continue
		}
		total++
		k := commonBits(addr, ad.addr, levels)
		shared[k]++
		longest = max(longest, k)
	}
	points, same := 0, 0
	for i := levels; i >= 1; i-- {
		same += shared[i]
		if float64(same) > math.Ldexp(float64(total), -i) {
			points++
		}
	}
	prefix, _ := addr.Prefix(longest)
	return float64(points) / float64(levels), prefix
}

// commonBits counts the leading bits that two addresses of a family share, at most most.
func commonBits(a, b netip.Addr, most int) int {
	x, y := a.AsSlice(), b.AsSlice()
	for i := range most {
		if bit := byte(0x80) >> (i % 8); x[i/8]&bit != y[i/8]&bit {
			return i
		}
	}
	return most
}
