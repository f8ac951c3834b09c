package topic

import (
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/ranges"
)

// Defaults and bounds of an Advertiser.
const (
	DefaultPerBucket = 5  // K_register and K_lookup
	DefaultParallel  = 3  // requests under way for one topic
	DefaultStandby   = 20 // candidates of a bucket beyond those in use

	maxTickets   = 10                     // of a chain
	maxWaits     = 4                      // lifetimes that a chain may wait in all
	minWait      = 100 * time.Millisecond // between two requests of a chain
	minHold      = time.Second            // for which an ad is believed to live
	startSpread  = 10 * time.Second       // over which the first requests are spread
	renewSpread  = 2 * time.Second        // within which an expired ad is replaced
	shortRest    = time.Minute            // after an ad that lived no longer than this
	missedWindow = 10 * time.Second       // after which a ticket is not worth presenting
)

// AdvertiserConfig configures an Advertiser. The zero value of a field stands for its default.
type AdvertiserConfig struct {
	Topic Topic
	// Self is the own node ID.
	Self enr.ID
	// Lifetime is E, the most that an ad is believed to live.
	Lifetime time.Duration
	// PerBucket is K_register, the registrations in each bucket.
	PerBucket int
	// Parallel is the number of requests under way.
	Parallel int
	// Pace, if not nil, bounds the requests together with those of others.
	Pace *Pace
	// LegacyOrder tries the field order of the reference fork at a registrar that is live and does
	// not answer.
	LegacyOrder bool
	// Changed, if not nil, is called for each change of a registration. It must not call the
	// Advertiser.
	Changed func(Change)
}

// Validate reports whether NewAdvertiser accepts the configuration. The error is a *RangeError and
// wraps ErrConfig.
func (c *AdvertiserConfig) Validate() error {
	return ranges.First(
		ranges.Check(ErrConfig, "Lifetime", c.Lifetime, time.Second, MaxLifetime, ranges.Default),
		ranges.Check(ErrConfig, "PerBucket", c.PerBucket, 1, maxRequests, ranges.Default),
		ranges.Check(ErrConfig, "Parallel", c.Parallel, 1, maxRequests, ranges.Default))
}

// Change says what became of a registration.
type Change struct {
	Registrar enr.ID
	Bucket    int
	Kind      ChangeKind
	// Wait is the quoted wait of Quoted, and the life of the ad of Placed, as it is believed.
	Wait time.Duration
	// Waited is how long the chain has waited so far.
	Waited time.Duration
}

// ChangeKind is the kind of a Change.
type ChangeKind uint8

// Kinds of changes.
const (
	Quoted ChangeKind = iota // the registrar wants the advertiser to wait
	Placed                   // the ad is in the registrar's cache
	Ended                    // the ad has reached the end of its life
	Silent                   // the registrar did not answer
	// the registrar gave more tickets, or wanted a longer wait, than is worth it
	GaveUp
	Replaced // the own endpoint has changed; the chain starts again
)

var changeNames = [...]string{"quoted", "placed", "ended", "silent", "gave up", "replaced"}

// String returns the name of the kind.
func (k ChangeKind) String() string {
	if int(k) < len(changeNames) {
		return changeNames[k]
	}
	return "unknown"
}

// chain is the state of a registration.
type chain struct {
	record  *enr.Record // the one that the chain is for
	ticket  []byte
	tickets int
	begun   time.Duration
	due     time.Duration // when to act: present the ticket, or take the ad for expired
	resent  bool          // the last request was sent a second time
}

// Registration is a request to make, REGTOPIC.
type Registration struct {
	Node      Node
	Topic     Topic
	Record    *enr.Record // the own one
	Ticket    []byte      // empty for none; for reading only
	Distances []uint      // the caller's
	// TicketFirst asks for the field order of the reference fork.
	TicketFirst bool
}

// Confirmation is the answer to a Registration, REGCONFIRMATION.
type Confirmation struct {
	Ticket []byte // copied
	Wait   time.Duration
}

// Advertiser keeps the own record placed at registrars for one topic (discv5-theory.md, Advertiser
// Behavior). It is a state machine: it says which requests to make, and the caller reports the
// answers.
//
//	for ask, ok := a.Next(now); ok; ask, ok = a.Next(now) {
//		// send REGTOPIC
//	}
//	// later, exactly one of these for each request:
//	a.Confirm(now, id, confirmation) // and a.Table().Add for auxiliary records
//	a.Fail(now, id, live)
//	// and call Next again then, or at the time that NextTime returns
type Advertiser struct {
	cfg      AdvertiserConfig
	rnd      *aead.Random
	table    Table
	record   *enr.Record
	buckets  [NumBuckets]bucketState
	underWay int
	first    time.Duration // when the first ad was placed
	start    bool
}

type bucketState struct {
	active int           // asking, waiting or placed
	start  time.Duration // when the first request may be made
}

// NewAdvertiser returns an Advertiser without candidates and record: it starts when it has both.
// rnd belongs to the goroutine that uses the Advertiser.
// It panics if cfg is not valid; see AdvertiserConfig.Validate.
func NewAdvertiser(cfg AdvertiserConfig, rnd *aead.Random) *Advertiser {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = DefaultLifetime
	}
	cfg.PerBucket = orDefault(cfg.PerBucket, DefaultPerBucket)
	cfg.Parallel = orDefault(cfg.Parallel, DefaultParallel)
	return &Advertiser{cfg: cfg, rnd: rnd,
		table: newTable(cfg.Topic, cfg.Self, cfg.PerBucket+DefaultStandby, cfg.Lifetime)}
}

// Table returns the service table, to which the caller adds candidates.
func (a *Advertiser) Table() *Table { return &a.table }

// SetRecord sets the own record. While the endpoints in it stay the same, chains keep the
// record that they began with. When they change, chains begin again and ads that are placed are
// replaced when they end. A record without an endpoint stops the Advertiser: registrars would
// refuse it.
func (a *Advertiser) SetRecord(now time.Duration, r *enr.Record) {
	if !a.start && r != nil {
		a.start = true
		for i := range a.buckets { // farthest first, and not those of many nodes together
			offset := (float64(i) + float64(a.rnd.Uint32n(1000))/1000) / NumBuckets
			a.buckets[i].start = now + time.Duration(offset*float64(startSpread))
		}
	}
	old := a.record
	a.record = r
	if old == nil || r == nil || sameEndpoints(old, r) {
		return
	}
	for i := range a.table.buckets {
		for _, e := range a.table.buckets[i] {
			if e.phase == waiting {
				a.change(now, e, Replaced, 0)
				e.chain = &chain{begun: now, due: now + a.jitter(startSpread)}
			}
		}
	}
}

// sameEndpoints reports whether two records state the same UDP endpoints.
func sameEndpoints(a, b *enr.Record) bool {
	a4, _ := a.UDPEndpoint4()
	b4, _ := b.UDPEndpoint4()
	a6, _ := a.UDPEndpoint6()
	b6, _ := b.UDPEndpoint6()
	return a4 == b4 && a6 == b6
}

// ready reports whether there is a record that registrars take.
func (a *Advertiser) ready() bool { return a.record != nil && a.record.CheckUDP() == nil }

func (a *Advertiser) jitter(most time.Duration) time.Duration {
	return time.Duration(a.rnd.Uint32n(uint32(most/time.Millisecond))) * time.Millisecond
}

func (a *Advertiser) change(now time.Duration, e *entry, kind ChangeKind, wait time.Duration) {
	if a.cfg.Changed != nil {
		a.cfg.Changed(Change{e.id(), int(e.bucket), kind, wait, now - e.chain.begun})
	}
}

// Next returns the next request to make. ok is false when there is none for now.
func (a *Advertiser) Next(now time.Duration) (r Registration, ok bool) {
	a.expire(now)
	if !a.ready() || a.underWay >= a.cfg.Parallel || now < a.cfg.Pace.notBefore(now) {
		return r, false
	}
	e := a.due(now)
	if e == nil {
		e = a.begin(now)
	}
	if e == nil || !a.cfg.Pace.take(now) {
		return r, false
	}
	if e.phase == idle {
		a.buckets[e.bucket].active++
	}
	if e.chain == nil || e.chain.record == nil {
		e.chain = &chain{record: a.record, begun: now}
	}
	e.phase = asking
	a.underWay++
	return Registration{
		Node: e.node, Topic: a.cfg.Topic, Record: e.chain.record, Ticket: e.chain.ticket,
		Distances:   a.table.appendDistances(nil, int(e.bucket), a.table.most, func(*entry) bool { return true }),
		TicketFirst: e.legacy,
	}, true
}

// expire ends the ads whose time is over, and the chains that have missed their windows.
func (a *Advertiser) expire(now time.Duration) {
	for i := range a.table.buckets {
		for _, e := range a.table.buckets[i] {
			switch {
			case e.phase == placed && now >= e.chain.due:
				a.change(now, e, Ended, 0)
				e.rest = now + a.jitter(renewSpread)
				// a registrar that admits for a moment is not asked in a loop
				if now-e.chain.begun < shortRest {
					e.rest += shortRest
				}
				a.release(e)
			case e.phase == waiting && len(e.chain.ticket) > 0 && now > e.chain.due+missedWindow:
				// The clock has jumped. Many chains have missed their windows then: spread them.
				e.chain = &chain{begun: now, due: now + a.jitter(startSpread)}
			}
		}
	}
}

// release ends the use of an entry.
func (a *Advertiser) release(e *entry) {
	if e.phase != idle {
		a.buckets[e.bucket].active--
	}
	e.phase, e.chain = idle, nil
}

// due returns the entry whose chain must continue and has been due longest.
func (a *Advertiser) due(now time.Duration) (first *entry) {
	for i := range a.table.buckets {
		for _, e := range a.table.buckets[i] {
			if e.phase == waiting && now >= e.chain.due && (first == nil || e.chain.due < first.chain.due) {
				first = e
			}
		}
	}
	return first
}

// begin returns a candidate of the farthest bucket that has too few registrations.
func (a *Advertiser) begin(now time.Duration) *entry {
	for i := range a.buckets {
		b := &a.buckets[i]
		if b.active >= a.cfg.PerBucket || now < b.start {
			continue
		}
		if e := a.table.pick(i, a.rnd, func(e *entry) bool { return e.phase == idle && now >= e.rest }); e != nil {
			return e
		}
	}
	return nil
}

// find returns the entry of a node that is being asked.
func (a *Advertiser) find(id enr.ID) *entry {
	e := a.table.find(id)
	if e == nil || e.phase != asking {
		return nil
	}
	a.underWay--
	a.cfg.Pace.done()
	return e
}

// Remove forgets a node, for instance because it was banned. A request to it is not waited for: a
// report about it is ignored.
func (a *Advertiser) Remove(id enr.ID) {
	if e := a.table.find(id); e != nil {
		a.find(id)
		a.release(e)
		a.table.remove(e)
	}
}

// Confirm reports the answer of a node. It reports whether the node was being asked: anything else
// is ignored.
func (a *Advertiser) Confirm(now time.Duration, id enr.ID, c Confirmation) bool {
	e := a.find(id)
	if e == nil {
		return false
	}
	a.table.answered(e)
	e.chain.resent = false
	if a.record == nil || !sameEndpoints(a.record, e.chain.record) {
		// The answer is about an endpoint that is gone.
		a.change(now, e, Replaced, 0)
		e.phase, e.chain = waiting, &chain{begun: now, due: now + a.jitter(startSpread)}
		return true
	}
	if len(c.Ticket) == 0 {
		hold := min(max(c.Wait, minHold), a.cfg.Lifetime)
		e.phase, e.chain.due, e.chain.ticket = placed, now+hold, nil
		if a.first == 0 {
			a.first = now
		}
		a.change(now, e, Placed, hold)
		return true
	}
	wait := min(max(c.Wait, minWait), a.cfg.Lifetime)
	e.chain.tickets++
	due := now + wait + guard(wait)
	if e.chain.tickets >= maxTickets || due-e.chain.begun > maxWaits*a.cfg.Lifetime || len(c.Ticket) > MaxTicketSize {
		a.change(now, e, GaveUp, wait)
		a.release(e)
		a.table.exclude(now, e)
		return true
	}
	e.phase, e.chain.due = waiting, due
	e.chain.ticket = append(e.chain.ticket[:0:0], c.Ticket...)
	a.change(now, e, Quoted, wait)
	return true
}

// guard is how much later than quoted a ticket is presented: the clocks of two nodes differ in
// speed.
func guard(wait time.Duration) time.Duration { return 50*time.Millisecond + wait/5000 }

// Fail reports that a node has not answered. live says that it is known to be up, for instance
// because it has answered other requests meanwhile. It reports whether the node was being asked.
//
// A request with a ticket is repeated once, immediately: its window is open. A first request is
// repeated once in the other field order if the node is up and LegacyOrder is set.
func (a *Advertiser) Fail(now time.Duration, id enr.ID, live bool) bool {
	e := a.find(id)
	if e == nil {
		return false
	}
	other := a.cfg.LegacyOrder && live && len(e.chain.ticket) == 0
	current := a.record != nil && sameEndpoints(a.record, e.chain.record)
	if !e.chain.resent && current && (other || len(e.chain.ticket) > 0) {
		e.chain.resent = true
		e.legacy = e.legacy != other
		e.phase, e.chain.due = waiting, now
		return true
	}
	if e.chain.resent && other {
		e.legacy = !e.legacy // it answers neither
	}
	a.change(now, e, Silent, 0)
	a.release(e)
	a.table.fail(now, e)
	return true
}

// NextTime returns when to call Next again if nothing is reported before. ok is false if there is
// nothing to wait for but a report or a candidate.
func (a *Advertiser) NextTime(now time.Duration) (at time.Duration, ok bool) {
	at = never
	if !a.ready() {
		return 0, false
	}
	busy := a.underWay >= a.cfg.Parallel
	for i := range a.table.buckets {
		b := &a.buckets[i]
		for _, e := range a.table.buckets[i] {
			switch {
			case e.phase == placed:
				at = min(at, e.chain.due)
			case e.phase == waiting && !busy:
				at = min(at, max(e.chain.due, a.cfg.Pace.notBefore(now)))
			case e.phase == idle && !busy && b.active < a.cfg.PerBucket:
				at = min(at, max(e.rest, b.start, a.cfg.Pace.notBefore(now)))
			}
		}
	}
	return max(at, now), at < never
}

// Status says how far an Advertiser is.
type Status struct {
	Buckets [NumBuckets]BucketStatus
	Placed  int           // ads that are believed to be in caches
	Pending int           // chains that are asking or waiting
	Standby int           // candidates that are not in use
	First   time.Duration // when the first ad was placed; 0 for not yet
}

// BucketStatus is the part of one bucket.
type BucketStatus struct{ Placed, Pending, Standby int }

// Status returns the state of all registrations.
func (a *Advertiser) Status() Status {
	s := Status{First: a.first}
	for i := range a.table.buckets {
		for _, e := range a.table.buckets[i] {
			switch e.phase {
			case placed:
				s.Buckets[i].Placed++
			case idle:
				s.Buckets[i].Standby++
			default:
				s.Buckets[i].Pending++
			}
		}
		s.Placed += s.Buckets[i].Placed
		s.Pending += s.Buckets[i].Pending
		s.Standby += s.Buckets[i].Standby
	}
	return s
}
