package load

import (
	"container/heap"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/topic"
)

// TicketForm is what requests of kind RegTopic do with the tickets that they get.
type TicketForm uint8

// Forms of tickets.
const (
	// HonestTickets: an identity presents its ticket when the quoted wait has passed, and asks no
	// earlier. An identity whose ad was admitted asks again when the ad has ended.
	HonestTickets TicketForm = iota
	// EarlyTickets: identities take turns and present their last ticket, however long they were
	// told to wait. A registrar answers with another ticket: the flood of an impatient advertiser.
	EarlyTickets
	// NoTickets: identities take turns, and each request is a first one.
	NoTickets
)

var ticketNames = [...]string{"honest", "early", "none"}

// String is the name that ParseTicketForm reads.
func (f TicketForm) String() string {
	if int(f) < len(ticketNames) {
		return ticketNames[f]
	}
	return "unknown"
}

// ParseTicketForm reads "honest", "early" or "none". The error names what is allowed.
func ParseTicketForm(s string) (TicketForm, error) {
	for f, n := range ticketNames {
		if n == s {
			return TicketForm(f), nil
		}
	}
	return 0, fmt.Errorf("%s: want %s", quote.Text(s), quote.Choices(ticketNames[:]))
}

const (
	// ticketGuard is how long after the end of the quoted wait an honest ticket is presented:
	// clocks drift, and a registrar may take an early ticket for none.
	ticketGuard = 50 * time.Millisecond
	// maxQuote is the longest wait that a registrar should quote (discv5-theory.md, Waiting-Time
	// Function): the lifetime of an ad.
	maxQuote = topic.DefaultLifetime
	// maxLifetime bounds the life of an ad that a target claims to have admitted.
	maxLifetime = topic.MaxLifetime
	// maxAds is how many records of one sort an answer may have.
	maxAds = 16
	// knownAds is how many records of ads are remembered as verified, so that each costs one
	// signature check.
	knownAds = 1 << 14
)

// TopicStats counts the answers of a registrar.
type TopicStats struct {
	Admitted  uint64 // registrations whose ad is in the cache
	Quoted    uint64 // registrations that got a ticket
	Presented uint64 // requests that had one
	// Skipped are requests that were due while every identity had to wait. They were not sent.
	Skipped uint64

	WaitSum, WaitMax time.Duration // that tickets quoted
	TicketMax        int           // the longest ticket in bytes

	Ads       uint64 // records in TOPICNODES
	Empty     uint64 // TOPICQUERY without any ad
	Auxiliary uint64 // records in NODES that came with an answer

	BadWait   uint64 // a wait of 0 or of more than E, or a life of 0 or of more than a day
	BadTicket uint64 // longer than a request can give back
	BadAds    uint64 // an ad that does not verify, or that is the asker's own; or too many
	// BadAnswer: a second REGCONFIRMATION, or none among as many packets as were announced.
	BadAnswer uint64
}

// Add adds o to t.
func (t *TopicStats) Add(o *TopicStats) {
	t.Admitted += o.Admitted
	t.Quoted += o.Quoted
	t.Presented += o.Presented
	t.Skipped += o.Skipped
	t.WaitSum += o.WaitSum
	t.WaitMax = max(t.WaitMax, o.WaitMax)
	t.TicketMax = max(t.TicketMax, o.TicketMax)
	t.Ads += o.Ads
	t.Empty += o.Empty
	t.Auxiliary += o.Auxiliary
	t.BadWait += o.BadWait
	t.BadTicket += o.BadTicket
	t.BadAds += o.BadAds
	t.BadAnswer += o.BadAnswer
}

// Bad returns the number of wrong answers.
func (t *TopicStats) Bad() uint64 { return t.BadWait + t.BadTicket + t.BadAds + t.BadAnswer }

// WaitMean is the mean wait that tickets quoted.
func (t *TopicStats) WaitMean() time.Duration {
	if t.Quoted == 0 {
		return 0
	}
	return t.WaitSum / time.Duration(t.Quoted)
}

// loadTopic is topic i of a run.
func loadTopic(i int) topic.Topic { return topic.Of(fmt.Sprintf("load-%d", i)) }

// topicRun is the state of a worker for requests about topics.
type topicRun struct {
	topics  []topic.Topic
	ads     *enr.Cache // verified records of answers
	sample  []byte     // a record of the usual size, for identities that have none
	waiting dueHeap    // honest identities that are to ask later
	ready   []*identity
	began   time.Time // of the last run
}

// dueHeap is a heap of identities by the time at which they may ask.
type dueHeap []*identity

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(*identity)) }
func (h *dueHeap) Pop() any {
	old := *h
	who := old[len(old)-1]
	*h = old[:len(old)-1]
	return who
}

// sampleRecord is a record of the size that those of identities have.
func sampleRecord() ([]byte, error) {
	who, err := newIdentity()
	if err != nil {
		return nil, err
	}
	err = who.locate(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 40_000))
	return who.record, err
}

// locate gives who a record with the endpoint that its requests leave from: a registrar takes only
// records of those who send them (discv5-theory.md, Registrar Behavior).
func (who *identity) locate(at netip.AddrPort) error {
	if who.endpoint == at {
		return nil
	}
	who.endpoint = at
	who.recordSeq++
	b := enr.NewBuilder().SetSeq(who.recordSeq).SetIP(at.Addr())
	if at.Addr().Is4() {
		b.SetUDP(at.Port())
	} else {
		b.SetUDP6(at.Port())
	}
	r, err := b.Sign(who.key)
	if err != nil {
		return fmt.Errorf("record of an identity: %w", err)
	}
	who.record = r.Bytes()
	return nil
}

// localAddr returns the address from which this machine reaches the target. Nothing is sent.
func localAddr(to netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("own address towards %v: %w", to.Addr(), err)
	}
	defer c.Close()
	return netaddr.UnmapPort(c.LocalAddr().(*net.UDPAddr).AddrPort()).Addr(), nil
}

// resetTopics makes what requests about topics need, before packets are sealed.
func (w *worker) resetTopics() {
	t := &w.topics
	if mix := w.cfg.Mix; mix[RegTopic]+mix[TopicQuery] == 0 || t.ads != nil {
		return
	}
	t.ads = enr.NewCache(knownAds, w.random.Uint64())
	for i := range w.cfg.Topics {
		t.topics = append(t.topics, loadTopic(i))
	}
}

// beginTopics prepares a run. The times of the last one are taken over to the new clock.
func (w *worker) beginTopics() {
	t := &w.topics
	now := time.Now()
	passed := now.Sub(t.began)
	if t.began.IsZero() {
		passed = 0
	}
	t.began = now
	t.waiting, t.ready = t.waiting[:0], t.ready[:0]
	if w.cfg.Mix[RegTopic] == 0 || w.cfg.Tickets != HonestTickets {
		return
	}
	for i, s := range w.socks {
		for _, who := range s.members {
			who.home = int32(i)
			who.due -= passed
			t.waiting = append(t.waiting, who)
		}
	}
	heap.Init(&t.waiting)
}

// wake moves identities whose wait is over to those that are ready, and returns how many those are.
func (w *worker) wake() int {
	t := &w.topics
	for len(t.waiting) > 0 && t.waiting[0].due <= w.now {
		t.ready = append(t.ready, heap.Pop(&t.waiting).(*identity))
	}
	return len(t.ready)
}

// registrant returns the identity that makes the next registration from a batch of a socket. It is
// nil if all have to wait.
func (w *worker) registrant(sock int32) *identity {
	if w.cfg.Tickets != HonestTickets {
		who := w.socks[sock].turn()
		who.home = sock
		return who
	}
	if w.wake() == 0 {
		return nil
	}
	who := w.topics.ready[0]
	w.topics.ready = w.topics.ready[1:]
	return who
}

// later lets an honest identity ask at a time.
func (w *worker) later(who *identity, at time.Duration) {
	who.due = at
	if w.cfg.Tickets == HonestTickets && !w.run.prepare {
		heap.Push(&w.topics.waiting, who)
	}
}

// registration appends REGTOPIC of who.
func (w *worker) registration(dst []byte, who *identity, seq uint64) []byte {
	m := codec.RegTopic{
		RequestID: requestID(seq), Topic: w.topics.topics[who.topic%len(w.topics.topics)], Record: who.record, Distances: w.distances,
	}
	if m.Record == nil {
		m.Record = w.topics.sample
	}
	if w.cfg.Tickets != NoTickets {
		m.Ticket = who.ticket
	}
	if len(m.Ticket) > 0 {
		w.stats.topics.Presented++
	}
	return m.Append(dst)
}

// confirmed takes REGCONFIRMATION for exchange x.
func (w *worker) confirmed(x *exchange, m *codec.RegConfirmation) {
	t, who := &w.stats.topics, x.who
	if x.confirmed {
		t.BadAnswer++
		return
	}
	x.confirmed = true
	wait, most := time.Duration(min(m.WaitTime, uint64(maxLifetime/time.Millisecond)+1))*time.Millisecond, maxLifetime
	if len(m.Ticket) > 0 {
		most = maxQuote
		t.Quoted++
		t.WaitSum += min(wait, most)
		t.WaitMax = max(t.WaitMax, wait)
		t.TicketMax = max(t.TicketMax, len(m.Ticket))
	} else {
		t.Admitted++
	}
	if wait == 0 || wait > most {
		t.BadWait++
	}
	wait = min(max(wait, time.Millisecond), most)
	who.ticket = append(who.ticket[:0], m.Ticket...)
	w.later(who, w.now+wait+ticketGuard)
}

// topicNodes checks the ads of TOPICNODES.
func (w *worker) topicNodes(x *exchange, records []byte) (err error) {
	t := &w.stats.topics
	for len(records) > 0 {
		var rec []byte
		if rec, records, err = codec.SplitRecord(records); err != nil {
			return err
		}
		t.Ads++
		x.ads++
		r, known := w.topics.ads.Find(rec)
		if !known {
			var v enr.View
			if v, err = enr.ParseView(rec); err == nil {
				r, err = w.topics.ads.Verify(v)
			}
		}
		if err != nil || r.ID() == enr.ID(x.who.id) || x.ads > maxAds {
			t.BadAds++
		}
	}
	return nil
}

// answeredTopic checks a whole answer to a request about topics.
func (w *worker) answeredTopic(x *exchange) {
	t := &w.stats.topics
	switch {
	case x.kind == RegTopic && !x.confirmed:
		t.BadAnswer++
		w.later(x.who, w.now)
	case x.kind == TopicQuery && x.ads == 0:
		t.Empty++
	}
}

// badConfirmation tells a ticket that is too long from other malformed messages.
func (w *worker) badConfirmation(err error) {
	if errors.Is(err, codec.ErrTicketSize) {
		w.stats.topics.BadTicket++
	}
}
