package topic

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// Registrar stores the ads of others and decides how long each has to wait (discv5-theory.md,
// Registrar Behavior). It is safe for concurrent use. Times that are given to it are those of one
// monotonic clock; a time before an earlier one counts as that one.
type Registrar struct {
	cfg  Config
	keys keyring

	mu      sync.Mutex
	now     time.Duration
	cache   cache
	formula formula
	bounds  bounds
	stats   Stats
}

// NewRegistrar returns a registrar with an empty cache. The error wraps ErrConfig, or is that of
// Config.Random.
func NewRegistrar(cfg Config) (*Registrar, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	var seed [16]byte
	if _, err := io.ReadFull(cfg.Random, seed[:]); err != nil {
		return nil, fmt.Errorf("topic: seed of the ad cache: %w", err)
	}
	r := &Registrar{
		cfg:     cfg,
		keys:    keyring{src: cfg.Random},
		cache:   newCache(cfg.Capacity, binary.LittleEndian.Uint64(seed[:])),
		formula: newFormula(&cfg),
		bounds:  newBounds(cfg.Capacity, binary.LittleEndian.Uint64(seed[8:])),
	}
	if err := r.keys.rotate(0); err != nil {
		return nil, fmt.Errorf("topic: key of tickets: %w", err)
	}
	return r, nil
}

// Request is a request to register, REGTOPIC. A caller keeps one for each of its goroutines and
// fills in the fields for each call: it holds the memory in which tickets are read and written.
type Request struct {
	Topic Topic
	// ID is the node ID of the peer whose session carried the request.
	ID enr.ID
	// Source is where the request came from.
	Source netip.AddrPort
	// Record is the record in the request. That it is a *enr.Record says that it was verified.
	Record *enr.Record
	// Ticket is the ticket in the request, empty for none. It is read during the call only.
	Ticket []byte

	scratch scratch
}

// Result is what became of a request to register.
type Result uint8

// Results. The last three are not answered: the protocol has no packet for a refusal. All others
// are. A ticket that does not count makes the request a first one, which may be admitted as well as
// any.
const (
	Admitted Result = iota // the ad is in the cache now
	Known                  // the ad was in the cache
	Waiting                // it has to wait: a first request, or one with a valid ticket
	Early                  // it has to wait, and came too early with its ticket
	Late                   // it has to wait, and came too late with its ticket
	// it has to wait, and its ticket is not this registrar's, not for this ad, or spent
	BadTicket
	Full     // it has to wait because the cache is full
	Endpoint // the record's address is not the sender's, or cannot be relayed
	Owner    // the record is not the sender's, or the sender is the registrar itself
	Record   // there is no record; callers also count here what does not verify

	// NumResults is the number of results.
	NumResults = iota
)

var resultNames = [NumResults]string{"admitted", "known", "waiting", "early", "late", "ticket", "full",
	"endpoint", "owner", "record"}

// String returns the name of the result in metrics.
func (r Result) String() string {
	if int(r) < len(resultNames) {
		return resultNames[r]
	}
	return "unknown"
}

// Answered reports whether a request with this result is answered, by REGCONFIRMATION.
func (r Result) Answered() bool { return r < Endpoint }

// Placed reports whether the ad is in the cache.
func (r Result) Placed() bool { return r <= Known }

// Verdict is the answer to a Request.
type Verdict struct {
	Result Result
	// Wait is the wait-time of the answer, whole milliseconds: how long the ad lives if it is
	// placed, and otherwise after how long to present Ticket.
	Wait time.Duration
	// Ticket is the ticket of the answer, of TicketSize bytes. It is empty if the ad is placed. It
	// is part of the Request and valid until the next call with it.
	Ticket []byte
	// Need is the waiting time of the ad, lower bounds included, and Waited what its ticket proves
	// of it. Both are 0 unless the waiting time was computed.
	Need, Waited time.Duration
}

// Register decides about a request (discv5-theory.md, Admission Control). It allocates nothing
// unless the cache holds more ads than ever before.
//
// The caller has charged the request to its sender's budget, and has verified the record.
func (r *Registrar) Register(now time.Duration, q *Request) (v Verdict) {
	o, refused := r.origin(q)
	if refused != Admitted {
		r.mu.Lock()
		r.stats.Results[refused]++
		r.mu.Unlock()
		v.Result = refused
		return v
	}
	var t, next ticket
	var ad []byte // what tickets are bound to; written when there is one
	authentic := false
	if len(q.Ticket) > 0 {
		ad = q.scratch.bind(&q.ID, &q.Topic, o.addr, q.Record.Bytes())
		t, authentic = r.keys.keys.Load().open(&q.scratch, q.Ticket, ad)
	}

	r.mu.Lock()
	r.decide(r.advance(now), q, &o, &t, authentic, &v, &next)
	r.stats.Results[v.Result]++
	keys := r.keys.keys.Load()
	r.mu.Unlock()

	if !v.Result.Placed() {
		if ad == nil {
			ad = q.scratch.bind(&q.ID, &q.Topic, o.addr, q.Record.Bytes())
		}
		v.Ticket = keys.seal(&q.scratch, next, ad)
	}
	return v
}

// origin is where a request came from, as far as it matters.
type origin struct {
	addr   netip.Addr    // in canonical form
	class  netaddr.Class // of addr
	record netaddr.Class // of the record: the most restricted of its addresses
}

// origin checks what needs no cache. The result is Admitted if there is nothing to refuse.
func (r *Registrar) origin(q *Request) (o origin, refused Result) {
	switch {
	case q.Record == nil:
		return o, Record
	case q.Record.ID() != q.ID || q.ID == r.cfg.Self:
		return o, Owner
	}
	source := netaddr.NormalizePort(q.Source)
	o.addr = source.Addr()
	o.class = netaddr.ClassOf(o.addr)
	o.record = o.class
	var stated netip.AddrPort
	var known, other bool
	var also netip.Addr // the record's address of the other family
	if o.addr.Is4() {
		stated, known = q.Record.UDPEndpoint4()
		also, other = q.Record.IP6()
	} else {
		stated, known = q.Record.UDPEndpoint6()
		also, other = q.Record.IP4()
	}
	if !known || stated.Addr() != o.addr || r.cfg.CheckPort && stated.Port() != source.Port() {
		return o, Endpoint
	}
	if other {
		o.record = max(o.record, netaddr.ClassOf(also))
	}
	if !netaddr.MayRelay(o.class, o.record) {
		return o, Endpoint
	}
	return o, Admitted
}

// advance moves the clock, ends the ads that have expired, and makes a new key if one is due.
func (r *Registrar) advance(now time.Duration) time.Duration {
	r.now = max(r.now, now)
	ended := r.cache.expire(r.now, r.now-r.cfg.Window, r.gone)
	r.stats.Expired += uint64(ended)
	_ = r.keys.rotate(r.now) // a failure is counted, and the old key stays in use
	return r.now
}

func (r *Registrar) gone(s *slot) {
	if r.cfg.Expired != nil {
		r.cfg.Expired(r.cache.topics.at(s.topic()).topic, s.id)
	}
}

// decide decides about a request that is in order. t is its ticket, and next the one to issue if
// the ad is not placed.
func (r *Registrar) decide(now time.Duration, q *Request, o *origin, t *ticket, authentic bool, v *Verdict, next *ticket) {
	group := r.cache.findTopic(&q.Topic)
	n := r.cache.find(&q.ID, group)
	var ended time.Duration // of the advertiser's last ad here
	if n != none {
		s := r.cache.slots.at(n)
		if s.live() {
			r.renew(n, q.Record, o.record)
			v.Result, v.Wait = Known, (s.expires - now).Truncate(time.Millisecond)
			return
		}
		ended = s.expires
	}
	v.Result = Waiting
	first := now
	if len(q.Ticket) > 0 {
		opens := t.issued + t.wait
		switch {
		// the chain of a spent ticket began before that ad was admitted
		case !authentic || t.first < ended:
			v.Result = BadTicket
		case now < opens-early:
			v.Result = Early
		case now > opens+r.cfg.Window:
			v.Result = Late
		default:
			first = t.first
		}
	}
	v.Waited = now - first
	r.stats.Occupancy.add(r.cache.ads, r.cfg.Capacity)

	if r.cache.ads >= r.cfg.Capacity {
		v.Result, v.Need, v.Wait = Full, never, r.cfg.Lifetime
		r.stats.Quoted.add(v.Wait)
		*next = ticket{first, now, v.Wait}
		return
	}
	key := keyOf(o.addr)
	c, m := r.components(group, key, o.class)
	b := r.lowerBounds(now, group, key, o.class, m)
	v.Need = b.wait(c)
	rest := v.Need - v.Waited
	if rest <= r.cfg.Slack {
		r.cache.insert(&newAd{
			old: n, group: group,
			id: &q.ID, topic: &q.Topic, record: q.Record, key: key,
			class: o.record, counted: o.class == netaddr.Global, expires: now + r.cfg.Lifetime,
		})
		v.Result, v.Wait = Admitted, r.cfg.Lifetime
		r.stats.Waited.add(v.Waited)
		return
	}
	r.raise(now, group, c, &b)
	v.Wait = min(millis(rest), r.cfg.Lifetime)
	r.stats.Quoted.add(v.Wait)
	*next = ticket{first, now, v.Wait}
}

// components returns the parts of the waiting time. Addresses of private networks and loopback say
// nothing about who holds them: they have no score and are not counted.
func (r *Registrar) components(group uint32, key ipKey, class netaddr.Class) (components, match) {
	p := pressure{ads: r.cache.ads}
	if group != none {
		p.same = int(r.cache.topics.at(group).size())
	}
	var m match
	if class == netaddr.Global {
		m = r.cache.tree.score(key)
		p.points, p.levels = m.points, m.levels
	}
	return r.formula.of(p), m
}

// lowerBounds are the least values of the components, and where the one of the address is stored.
type lowerBounds struct {
	topic, address time.Duration
	key            uint64
	counted        bool // the address has a bound
}

// lowerBounds returns the bounds of an ad whose address has matched m. They are 0 or less where
// there are none.
func (r *Registrar) lowerBounds(now time.Duration, group uint32, key ipKey, class netaddr.Class, m match) (b lowerBounds) {
	if group != none {
		if g := r.cache.topics.at(group); g.size() > 0 {
			b.topic = g.bound - now
		}
	}
	if class == netaddr.Global {
		b.key, b.counted = r.bounds.key(key, m.depth), true
		b.address = r.bounds.find(b.key) - now
	}
	return b
}

// wait returns the waiting time with the bounds applied.
func (b *lowerBounds) wait(c components) time.Duration {
	return add(add(max(c.topic, b.topic), max(c.address, b.address)), c.safety)
}

// raise records the components of a quote where they are above the bounds. A recorded bound is at
// most E: nobody was quoted more.
func (r *Registrar) raise(now time.Duration, group uint32, c components, b *lowerBounds) {
	if group != none && c.topic > b.topic {
		if g := r.cache.topics.at(group); g.size() > 0 {
			g.bound = now + min(c.topic, r.cfg.Lifetime)
		}
	}
	if b.counted && c.address > b.address && c.address > 0 {
		r.bounds.put(now, b.key, now+min(c.address, r.cfg.Lifetime))
	}
}

// recordStart is how much of two records of one key is compared to tell whether they are the same.
// It ends in the first half of the signature. If two signatures have the same first half, anybody
// can compute the key.
const recordStart = 32

// renew stores a newer record of an ad. The ad lives no longer for it, and the address that was
// proven when the ad was admitted remains the one that counts.
func (r *Registrar) renew(n uint32, record *enr.Record, class netaddr.Class) {
	held := r.cache.records.at(n)
	if bytes.Equal(record.Bytes()[:recordStart], held.bytes[:recordStart]) || class != r.cache.slots.at(n).class() {
		return
	}
	if v, err := enr.ParseView(held.get()); err != nil || record.Seq() > v.Seq() {
		held.set(record)
	}
}

// Expire ends the ads that have expired. Every other method that is given a time does it too; a
// caller calls Expire at the time that Next names, so that events and statistics are on time.
func (r *Registrar) Expire(now time.Duration) {
	r.mu.Lock()
	r.advance(now)
	r.mu.Unlock()
}

// Next returns the time at which the next ad expires. ok is false if there is none.
func (r *Registrar) Next() (at time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cache.live == none {
		return 0, false
	}
	return r.cache.slots.at(r.cache.live).expires, true
}
