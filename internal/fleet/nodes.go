package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/enr"
)

const (
	nodeBytes    = 512 << 20
	maxNodeValue = 2 << 10
	// nodeTTL is how long the fleet keeps a node that no member sees.
	nodeTTL = 24 * time.Hour
	// refreshStep is the smallest change of the time that a node was last seen that is worth a
	// write, by any member.
	refreshStep = 5 * time.Minute
	// maxNodeScore is the highest score, as in the bootnode's own store.
	maxNodeScore = 100
	// maxSeenBy bounds the members that an entry names.
	maxSeenBy = 8
	// maxAhead is how far the clock of another member may be ahead.
	maxAhead = 10 * time.Minute
	// maxFailures bounds the failed nodes that wait to be noted.
	maxFailures = 256

	// Candidates for each log distance: some because of what their entry says, and as many at
	// random, since an entry may say anything.
	rankedPerDistance = 16
	randomPerDistance = 16
	// maxCandidates bounds those of one look at all nodes.
	maxCandidates = 768
)

var (
	errKey      = errors.New("the key does not fit")
	errRecord   = errors.New("the record is not valid")
	errEndpoint = errors.New("the record has no UDP endpoint")
	errOld      = errors.New("not seen for long")
)

// skipOf returns the count for the reason why an entry is ignored.
func skipOf(err error) Count {
	for _, c := range []struct {
		err   error
		count Count
	}{
		{errSize, SkippedSize}, {errKey, SkippedKey}, {errVersion, SkippedVersion}, {errRecord, SkippedRecord}, {errEndpoint, SkippedEndpoint},
		{errOld, SkippedOld}, {errBan, SkippedBan},
	} {
		if errors.Is(err, c.err) {
			return c.count
		}
	}
	return SkippedValue
}

// nodeValue is an entry of the bucket of nodes, whose key is the node ID in hexadecimal digits.
type nodeValue struct {
	V      int64  `json:"v"`
	Record string `json:"enr"`
	Seen   int64  `json:"seen"` // Unix seconds of its last answer
	// Score grows each time that it is seen refreshStep later; failures halve it.
	Score int      `json:"score"`
	By    []string `json:"by"` // the last members that have seen it, the latest first
}

func (v *nodeValue) version() int64 { return v.V }

// record returns the record of v if it is one of the node id.
func (v *nodeValue) record(id enr.ID) (*enr.Record, error) {
	r, err := enr.ParseText(v.Record)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errRecord, err)
	case r.ID() != id:
		return nil, fmt.Errorf("%w: it is of another node", errRecord)
	case r.CheckUDP() != nil:
		return nil, errEndpoint
	}
	return r, nil
}

// candidate is an entry that may be tried. Its record is not verified yet.
type candidate struct {
	id    enr.ID
	value nodeValue
}

// better orders candidates by what their entries say.
func better(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.value.Score, a.value.Score), cmp.Compare(b.value.Seen, a.value.Seen), slices.Compare(a.id[:], b.id[:]))
}

// sample chooses candidates of one log distance from a stream of any length.
type sample struct {
	ranked, random []candidate
	seen           int
}

func (s *sample) add(c candidate) {
	if i, _ := slices.BinarySearchFunc(s.ranked, c, better); i < rankedPerDistance {
		if s.ranked = slices.Insert(s.ranked, i, c); len(s.ranked) <= rankedPerDistance {
			return
		}
		c = s.ranked[rankedPerDistance] // it may still be chosen at random
		s.ranked = s.ranked[:rankedPerDistance]
	}
	if s.seen++; len(s.random) < randomPerDistance {
		s.random = append(s.random, c)
	} else if i := rand.IntN(s.seen); i < randomPerDistance {
		s.random[i] = c
	}
}

// scans looks at all nodes of the fleet now and then, until ctx ends.
func (m *Member) scans(ctx context.Context) {
	for {
		begin := time.Now()
		wait, soon := scanMax, time.Duration(0)
		if n := m.current(); n != nil {
			err := m.scan(ctx, n)
			m.problem(opScan, err)
			took := time.Since(begin)
			wait, soon = min(max(scanRatio*took, scanMin), scanMax), max(wakeRatio*took, wakeMin)
			wait += rand.N(wait / 10)
			if err != nil {
				m.counts.add(ReadsFailed)
				wait, soon = retryPause, retryPause
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			return
		case <-m.kick:
			m.tryCached(ctx)
			timer.Reset(min(wait, soon))
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		case <-timer.C:
		}
	}
}

// scan looks at all nodes once, and hands candidates to the node.
func (m *Member) scan(ctx context.Context, n *Node) error {
	var byDistance [257]sample
	oldest := time.Now().Add(-nodeTTL - maxAhead).Unix()
	latest := time.Now().Add(maxAhead).Unix()
	read := 0
	err := m.nodes.each(ctx, func(e jetstream.KeyValueEntry) bool {
		read++
		c, err := m.readNode(e)
		if err == nil && c.value.Seen < oldest {
			err = errOld
		}
		if err != nil {
			m.counts.skip(err)
			return ctx.Err() == nil
		}
		// No entry gains from a time to come, or from a score above the highest.
		c.value.Seen, c.value.Score = min(c.value.Seen, latest), min(c.value.Score, maxNodeScore)
		if c.id != n.ID && (n.Has == nil || !n.Has(c.id)) {
			byDistance[enr.LogDistance(n.ID, c.id)].add(c)
		}
		return ctx.Err() == nil
	})
	m.counts[NodesRead].Add(uint64(read))
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.state.Nodes, m.state.Scanned = read, time.Now()
	m.mu.Unlock()

	// Round by round through the distances, so that a bound hits all of them alike.
	records := m.memberRecords()
	for i := 0; len(records) < maxCandidates; i++ {
		more := false
		for d := len(byDistance) - 1; d > 0 && len(records) < maxCandidates; d-- {
			all := &byDistance[d]
			var c candidate
			switch {
			case i < len(all.ranked):
				c = all.ranked[i]
			case i-len(all.ranked) < len(all.random):
				c = all.random[i-len(all.ranked)]
			default:
				continue
			}
			more = true
			r, err := c.value.record(c.id)
			if err != nil {
				m.counts.skip(err)
				continue
			}
			records = append(records, r)
		}
		if !more {
			break
		}
	}
	if n.Try == nil {
		m.mu.Lock()
		if m.node == n {
			m.cached = records
		}
		m.mu.Unlock()
		return nil
	}
	m.try(ctx, n, records)
	return nil
}

// tryCached hands the candidates of the time as standby to the node that runs now.
func (m *Member) tryCached(ctx context.Context) {
	m.mu.Lock()
	n, cached := m.node, m.cached
	if n == nil || n.Try == nil {
		m.mu.Unlock()
		return
	}
	m.cached = nil
	m.mu.Unlock()
	m.try(ctx, n, cached)
}

// try hands candidates to the node.
func (m *Member) try(ctx context.Context, n *Node, records []*enr.Record) {
	records = slices.DeleteFunc(slices.Clone(records), func(r *enr.Record) bool { return r.ID() == n.ID || n.Has(r.ID()) })
	m.counts[NodesOffered].Add(uint64(len(records)))
	if len(records) > 0 {
		n.Try(ctx, records)
	}
}

// readNode decodes an entry. It does not verify the record: that takes as long as reading hundreds
// of entries.
func (m *Member) readNode(e jetstream.KeyValueEntry) (c candidate, err error) {
	if len(e.Key()) != 2*enr.IDSize {
		return c, errKey
	}
	if c.id, err = enr.ParseID(e.Key()); err != nil || c.id.String() != e.Key() {
		return c, errKey
	}
	extra, err := decode(e.Value(), maxNodeValue, &c.value)
	if extra {
		m.counts.add(NewerFields)
	}
	return c, err
}

// writtenNode is what a member last wrote of a node.
type writtenNode struct {
	seq  uint64
	at   time.Time
	mark uint64 // of the last round with this node
}

// Failed notes that nodes do not answer. Callers must not count failures that may be this node's
// own fault.
func (m *Member) Failed(ids []enr.ID) {
	for _, id := range ids {
		select {
		case m.failures <- id:
		default:
			m.counts.add(FailuresDropped)
		}
	}
}

// write writes the nodes that answer, and have not been written lately, as far as the rate allows.
// The rest follows in the next round.
func (m *Member) write(ctx context.Context) error {
	n := m.current()
	if n == nil || n.Seen == nil {
		return nil
	}
	if err := m.cfg.Conn.check(); err != nil {
		return err
	}
	begin, pause := time.Now(), time.Second/time.Duration(m.cfg.WriteRate)
	m.round++
	if made := m.nodes.made(); !made.Equal(m.writtenTo) {
		if !m.writtenTo.IsZero() { // somebody has deleted the bucket, and what was in it
			clear(m.written)
		}
		m.writtenTo = made
	}
	late := func() bool { return time.Since(begin) > writeInterval || ctx.Err() != nil }
	put := func(f func() error) error {
		err := f()
		if err != nil {
			m.counts.add(WritesFailed)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		return err
	}
	for failed := true; failed && !late(); {
		select {
		case id := <-m.failures:
			if err := put(func() error { return m.halve(ctx, id) }); err != nil {
				return err
			}
		default:
			failed = false
		}
	}
	var first error
	for _, s := range n.Seen() {
		id := s.Record.ID()
		w := m.written[id]
		due := w.seq != s.Record.Seq() || s.At.Sub(w.at) >= refreshStep
		w.mark = m.round
		m.written[id] = w
		switch {
		case !due:
		case first != nil || late():
			m.counts.add(NodesDeferred)
		default:
			first = put(func() error { return m.writeNode(ctx, s) })
			if first == nil {
				m.written[id] = writtenNode{s.Record.Seq(), s.At, m.round}
			}
		}
	}
	for id, w := range m.written {
		if w.mark != m.round {
			delete(m.written, id)
		}
	}
	return first
}

// writeNode writes one node, unless another member has just done so.
func (m *Member) writeNode(ctx context.Context, s Seen) error {
	id := s.Record.ID()
	return m.nodes.do(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
		e, err := kv.Get(ctx, id.String())
		v := nodeValue{V: version, Record: s.Record.String(), Seen: s.At.Unix(), Score: 1, By: []string{m.cfg.Name}}
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			_, err = kv.Create(ctx, id.String(), encode(&v))
			return m.wrote(err)
		}
		if err != nil {
			return err
		}
		c, err := m.readNode(e)
		if errors.Is(err, errVersion) { // a newer program knows better
			m.counts.skip(err)
			return nil
		}
		if err == nil {
			old := c.value
			r, err := old.record(id)
			known := err == nil && r.Seq() >= s.Record.Seq()
			if gap := s.At.Unix() - old.Seen; known && gap < int64(refreshStep/time.Second) && gap > -int64(maxAhead/time.Second) {
				m.counts.add(NodesCurrent)
				return nil
			}
			if known {
				v.Record = old.Record
			}
			v.Score = min(max(old.Score, 0)+1, maxNodeScore)
			for _, name := range old.By {
				if len(v.By) < maxSeenBy && ValidName(name) && !slices.Contains(v.By, name) {
					v.By = append(v.By, name)
				}
			}
		}
		_, err = kv.Update(ctx, id.String(), encode(&v), e.Revision())
		return m.wrote(err)
	})
}

// wrote counts the result of a write. A write of another member does as well.
func (m *Member) wrote(err error) error {
	switch {
	case err == nil:
		m.counts.add(NodesWritten)
		m.noteWrite()
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		m.counts.add(NodesCurrent)
		err = nil
	}
	return err
}

// halve notes a failure of a node: it halves the score, and removes the entry at 0.
func (m *Member) halve(ctx context.Context, id enr.ID) error {
	delete(m.written, id)
	return m.nodes.do(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
		e, err := kv.Get(ctx, id.String())
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		c, err := m.readNode(e)
		if err != nil {
			m.counts.skip(err)
			return nil
		}
		v := c.value
		if v.Score = min(v.Score, maxNodeScore) / 2; v.Score < 1 {
			if err = kv.Delete(ctx, id.String(), jetstream.LastRevision(e.Revision())); err == nil {
				m.counts.add(NodesRemoved)
			}
		} else {
			_, err = kv.Update(ctx, id.String(), encode(&v), e.Revision())
		}
		if errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists) {
			err = nil // another member sees it
		}
		return err
	})
}
