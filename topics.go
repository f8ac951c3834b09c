package discv5

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/ranges"
	"github.com/fastdisc/discv5/topic"
)

// Topic identifies a service that nodes advertise and search for. Any 32 bytes will do; TopicOf
// makes them from a name.
type Topic = topic.Topic

// TopicOf returns the topic with a name: its SHA-256. All programs of a network must derive their
// topics in the same way.
func TopicOf(name string) Topic { return topic.Of(name) }

// ParseTopic parses the 64 hexadecimal digits of a topic, with or without a leading "0x".
func ParseTopic(s string) (Topic, error) { return topic.Parse(s) }

// TopicStats counts the node's work as a registrar, and says how many ads it holds.
type TopicStats = topic.Stats

// TopicConfig is Config.Topics.
type TopicConfig struct {
	// Registrar makes the node store ads of others and answer their queries. Its record says so
	// then. A node that advertises must be a registrar.
	Registrar bool
	// Capacity is the number of ads that the registrar stores, at most topic.MaxCapacity. Default:
	// topic.DefaultCapacity. An ad takes about 500 bytes.
	Capacity int
	// WaitScale multiplies the waiting times of the specification. Default: 1. See docs/TOPICS.md
	// before you lower it for a network with one topic.
	WaitScale float64
	// Slack admits an ad that would have to wait no longer than this. Default: topic.DefaultSlack.
	Slack time.Duration
	// Window is how long after the quoted waiting time a ticket is accepted. Default:
	// topic.DefaultWindow.
	Window time.Duration
	// CheckPort refuses ads of nodes whose record names another UDP port than they send from.
	CheckPort bool
	// NoLegacyOrder keeps the node from trying the field order of the reference fork with a
	// registrar that is live and does not answer.
	NoLegacyOrder bool
}

// registrar returns the configuration of the registrar, nil for none.
func (c *TopicConfig) registrar() *topic.Config {
	if !c.Registrar {
		return nil
	}
	return &topic.Config{Capacity: c.Capacity, WaitScale: c.WaitScale, Slack: c.Slack, Window: c.Window, CheckPort: c.CheckPort}
}

// validate reports whether the values are in range. The error names the field.
func (c *TopicConfig) validate() error {
	on := *c
	on.Registrar = true
	r := on.registrar()
	r.Random = rand.Reader
	return r.Validate()
}

// stated reports whether a record states the node's capability correctly.
func (c *TopicConfig) stated(r *enr.Record) bool { return r.SupportsTopics() == c.Registrar }

// state has a record say whether the node is a registrar.
func (c *TopicConfig) state(b *enr.Builder) {
	b.Delete("ng").Delete("topic-discovery")
	if c.Registrar {
		b.SetTopicVersion(enr.TopicVersion)
	}
}

// Errors of topics, for errors.Is.
var (
	// ErrNotRegistrar: the node cannot advertise, because Config.Topics.Registrar is off. Searchers
	// leave out advertisers that are not registrars.
	ErrNotRegistrar = errors.New("discv5: the node is no registrar of topics")
	// ErrNoTopicNodes: no registrar of topics was found.
	ErrNoTopicNodes = errors.New("discv5: no registrar of topics is known")
	// ErrTopicWait: a registrar gave more tickets, or wanted a longer wait, than its place is
	// worth. See EventTopicFailed.
	ErrTopicWait = engine.ErrTopicWait
)

// Bounds for one node.
const (
	MaxAdvertisedTopics = engine.MaxAdvertised // topics that it advertises
	MaxTopicSearches    = engine.MaxSearches   // searches under way
)

// TopicOption changes how topics are advertised or searched for.
type TopicOption func(*topicOptions)

type topicOptions struct {
	parallel int
	plain    bool
	timeout  time.Duration
}

// maxTopicParallel bounds WithTopicParallel.
const maxTopicParallel = 100

// WithTopicParallel sets how many requests are under way for one topic, at most 100. The default is
// 5 for LookupTopic, and 3 for the others. A call with an option out of its range fails with a
// [RangeError].
func WithTopicParallel(n int) TopicOption { return func(o *topicOptions) { o.parallel = n } }

// WithTopicTimeout sets how long a registrar may take to answer. The default is
// Config.RequestTimeout.
func WithTopicTimeout(t time.Duration) TopicOption { return func(o *topicOptions) { o.timeout = t } }

// WithPlainWalk makes SearchTopic walk from the farthest nodes to the closest, as the specification
// says, instead of choosing distances by the answers. Many such searchers load the few nodes that
// are closest to a topic.
func WithPlainWalk() TopicOption { return func(o *topicOptions) { o.plain = true } }

// topicOptionsOf applies options. The error is a *RangeError.
func topicOptionsOf(options []TopicOption) (o topicOptions, err error) {
	for _, set := range options {
		set(&o)
	}
	return o, ranges.First(
		ranges.Check(ErrConfig, "WithTopicParallel", o.parallel, 1, maxTopicParallel, ranges.Default),
		ranges.Check(ErrConfig, "WithTopicTimeout", o.timeout, minPeriod, MaxRequestTimeout, ranges.Default))
}

// TopicAd is a topic that the node advertises.
type TopicAd struct {
	n    *Node
	run  *engine.TopicRun
	stop context.CancelFunc
}

// TopicAdStatus tells how far an advertisement is.
type TopicAdStatus struct {
	// Placed is the number of registrars that are believed to hold the ad. Pending is the number of
	// registrars that have been asked or want the node to wait. Standby is the number of further
	// candidates.
	Placed, Pending, Standby int
	// FirstPlaced is when the first registrar admitted the ad; zero before.
	FirstPlaced time.Time
	// Buckets are the same counts by distance from the topic, the farthest first: the first is for
	// the farther half of all nodes, the second for the next quarter, and so on.
	Buckets []TopicBucket
}

// TopicBucket counts registrars at one distance from a topic.
type TopicBucket struct{ Placed, Pending, Standby int }

// Status tells how far the advertisement is.
func (a *TopicAd) Status() TopicAdStatus {
	s := a.run.Status()
	st := TopicAdStatus{Placed: s.Placed, Pending: s.Pending, Standby: s.Standby}
	if s.First > 0 {
		st.FirstPlaced = a.n.wall(s.First)
	}
	for _, b := range s.Buckets {
		st.Buckets = append(st.Buckets, TopicBucket{b.Placed, b.Pending, b.Standby})
	}
	return st
}

// Stop ends the advertisement. The ads that registrars hold cannot be withdrawn: they end within 15
// minutes.
func (a *TopicAd) Stop() { a.stop() }

// AdvertiseTopic keeps ads for a topic, with the node's record, at registrars all over the network,
// until ctx or the node ends or TopicAd.Stop is called. It does not wait for the first ad: see
// TopicAd.Status and EventTopicPlaced. Nothing happens while the record names no endpoint, because
// registrars refuse such records. The error wraps ErrNotRegistrar, ErrBusy if
// MaxAdvertisedTopics topics are being advertised, ErrNotStarted, ErrClosed or the context's
// error. (discv5-theory.md, Advertiser Behavior)
func (n *Node) AdvertiseTopic(ctx context.Context, t Topic, options ...TopicOption) (*TopicAd, error) {
	fail := func(err error) (*TopicAd, error) { return nil, errorf("discv5: advertise topic %s: %w", t, err) }
	if !n.cfg.Topics.Registrar {
		return fail(ErrNotRegistrar)
	}
	if err := n.ended(ctx); err != nil {
		return fail(err)
	}
	o, err := topicOptionsOf(options)
	if err != nil {
		return fail(err)
	}
	a := &TopicAd{n: n}
	n.requester.do(func(w *engine.Worker) {
		a.run, err = w.StartAdvertiser(topic.AdvertiserConfig{Topic: t, Parallel: o.parallel, LegacyOrder: !n.cfg.Topics.NoLegacyOrder}, o.timeout)
	})
	if err != nil {
		return fail(err)
	}
	ctx, a.stop = context.WithCancel(ctx)
	context.AfterFunc(ctx, a.run.Stop)
	return a, nil
}

// topicSearch is a search under way.
type topicSearch struct {
	run  *engine.TopicRun
	wake chan struct{}
}

func (n *Node) startTopicSearch(ctx context.Context, cfg topic.SearchConfig, options []TopicOption) (*topicSearch, error) {
	if err := n.ended(ctx); err != nil {
		return nil, err
	}
	o, err := topicOptionsOf(options)
	if err != nil {
		return nil, err
	}
	cfg.Parallel = o.parallel
	cfg.Adaptive = cfg.Stream && !o.plain
	s := &topicSearch{wake: make(chan struct{}, 1)}
	n.requester.do(func(w *engine.Worker) {
		s.run, err = w.StartSearch(cfg, o.timeout, func() {
			select {
			case s.wake <- struct{}{}:
			default:
			}
		})
	})
	return s, err
}

// next waits for results. more is false at the end of the search.
func (s *topicSearch) next(ctx context.Context, n *Node) (list []*enr.Record, more bool, err error) {
	closing, err := n.wait(ctx, s.wake, n.closing)
	if err != nil {
		return nil, false, err
	}
	if closing {
		return nil, false, ErrClosed
	}
	nodes, done := s.run.Take()
	for _, x := range nodes {
		list = append(list, x.Record)
	}
	return list, !done, nil
}

// silence returns why a search without results has none: ErrNoTopicNodes or ErrNoAnswer. It returns
// nil if registrars have answered.
func (s *topicSearch) silence() error {
	switch st := s.run.Stats(); {
	case st.Queries == 0:
		return ErrNoTopicNodes
	case st.Answers == 0:
		return ErrNoAnswer
	}
	return nil
}

// SearchTopic streams the records of advertisers of a topic, for as long as the loop runs: each
// advertiser once in 15 minutes, or when its record is newer. The records have been verified; the
// nodes may be gone for up to 15 minutes. The sequence ends with an error when ctx or the node
// ends, or immediately with one that wraps ErrBusy if MaxTopicSearches searches are under way. If
// it has found nobody because nobody could be asked, or nobody answered, the error also wraps
// ErrNoTopicNodes or ErrNoAnswer. (discv5-theory.md, Discoverer Behavior)
func (n *Node) SearchTopic(ctx context.Context, t Topic, options ...TopicOption) iter.Seq2[*enr.Record, error] {
	return func(yield func(*enr.Record, error) bool) {
		s, err := n.startTopicSearch(ctx, topic.SearchConfig{Topic: t, Stream: true}, options)
		if err == nil {
			defer s.run.Stop()
			var list []*enr.Record
			for more := true; more && err == nil; {
				list, more, err = s.next(ctx, n)
				for _, r := range list {
					if !yield(r, nil) {
						return
					}
				}
			}
			if why := s.silence(); err != nil && why != nil {
				err = fmt.Errorf("%w: %w", err, why)
			}
		}
		if err != nil {
			yield(nil, errorf("discv5: search for topic %s: %w", t, err))
		}
	}
}

// LookupTopic looks for count advertisers of a topic, in one walk from the farthest registrars to
// the closest. It returns at most count records, which have been verified, also
// with an error: that of the context, ErrClosed, ErrNoTopicNodes, ErrNoAnswer, ErrBusy or
// ErrNotStarted. Fewer than count without an error mean that the walk found no more.
func (n *Node) LookupTopic(ctx context.Context, t Topic, count int, options ...TopicOption) (found []*enr.Record, err error) {
	s, err := n.startTopicSearch(ctx, topic.SearchConfig{Topic: t, Count: max(count, 1)}, options)
	if err == nil {
		defer s.run.Stop()
		for more := true; more && err == nil && len(found) < count; {
			var list []*enr.Record
			list, more, err = s.next(ctx, n)
			found = append(found, list...)
		}
		found = found[:min(len(found), max(count, 0))]
		if err == nil && len(found) == 0 {
			err = s.silence()
		}
	}
	if err != nil {
		err = errorf("discv5: lookup of topic %s: %w", t, err)
	}
	return found, err
}

// QueryTopic asks one registrar for advertisers of a topic, and for registrars at the given log
// distances from the topic, 1 to 256 each. Records that do not verify or do not fit are left out.
// Nodes that are not registrars do not answer: the error wraps ErrTimeout.
func (n *Node) QueryTopic(ctx context.Context, to Contact, t Topic, distances ...uint) (ads, registrars []*enr.Record, err error) {
	r, err := n.request(ctx, to, engine.Request{Type: codec.TypeTopicQuery, Topic: t, Distances: distances})
	return r.Ads, r.Records, err
}

// TopicConfirmation is a registrar's answer to RegisterTopic.
type TopicConfirmation struct {
	// Placed says that the registrar has admitted the ad, which lives for Wait. Otherwise call
	// RegisterTopic with Ticket once Wait is over: registrars accept a ticket from a quarter of a
	// second before that until ten seconds after it. Any other ticket counts as none.
	Placed bool
	Ticket []byte
	Wait   time.Duration
	// Registrars are at the distances from the topic that were asked for.
	Registrars []*enr.Record
}

// RegisterTopic asks one registrar to store an ad with the node's record. ticket is that of the
// registrar's last answer, empty at first. See AdvertiseTopic, which does this with many
// registrars. A registrar that refuses an ad does not answer: the error wraps ErrTimeout, as for a
// node that is no registrar. It refuses a record that does not name the address from which the node
// sends. The error wraps ErrNoEndpoint if the record names none.
func (n *Node) RegisterTopic(ctx context.Context, to Contact, t Topic, ticket []byte, distances ...uint) (TopicConfirmation, error) {
	if err := n.LocalRecord().CheckUDP(); err != nil {
		return TopicConfirmation{}, errorf("discv5: register topic %s: own record: %w: %w", t, ErrNoEndpoint, err)
	}
	r, err := n.request(ctx, to, engine.Request{Type: codec.TypeRegTopic, Topic: t, Ticket: ticket, Distances: distances})
	if err != nil {
		return TopicConfirmation{}, err
	}
	return TopicConfirmation{Placed: len(r.Ticket) == 0, Ticket: r.Ticket, Wait: r.Wait, Registrars: r.Records}, nil
}

// TopicAds returns the records of the ads for a topic that the node stores as a registrar.
func (n *Node) TopicAds(t Topic) (list []*enr.Record) {
	r := n.engine.Registrar()
	if r == nil {
		return nil
	}
	for _, ad := range r.Ads(n.clock.Now(), t, topic.MaxCapacity, nil) {
		if record, err := enr.Parse(ad.Record()); err == nil { // it was verified when it came
			list = append(list, record)
		}
	}
	return list
}

// TopicCount is a topic with the number of its ads.
type TopicCount = topic.TopicCount

// LargestTopics returns the topics with the most ads that the node stores as a registrar, up to
// most of them, largest first.
func (n *Node) LargestTopics(most int) []TopicCount {
	r := n.engine.Registrar()
	if r == nil {
		return nil
	}
	return r.Topics(n.clock.Now(), most)
}

// TopicStats counts the node's work as a registrar. It is zero if the node is not a registrar.
func (n *Node) TopicStats() TopicStats {
	r := n.engine.Registrar()
	if r == nil {
		return TopicStats{}
	}
	return r.Stats()
}
