package engine

import (
	"net/netip"
	"slices"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
)

// Every PING and PONG tells the sequence number of its sender's record (discv5-wire.md). If that is
// news, the sender is asked for the record, where the message came from: its address may have
// changed, and the record that names the new one is what is missing here.

const (
	// maxUpdates bounds the nodes whose record waits to be asked for, maxUpdatesUnlisted those
	// among them that are not in the table, maxUpdatesSite those of the latter in one /24 or /48,
	// and maxUpdatesWide those in one /16 or /32. More are left to the next PING.
	maxUpdates         = 128
	maxUpdatesUnlisted = 64
	maxUpdatesSite     = 2
	maxUpdatesWide     = 8
	// fetchesPerTick bounds the records that one Tick asks for.
	fetchesPerTick = 16
)

type recordUpdate struct {
	id   enr.ID
	seq  uint64
	from netip.AddrPort
	// older: the node has fallen back to an older record than it had.
	older bool
	// any: it is not known which record the node has now.
	any      bool
	unlisted bool
}

// noteSeq takes note of the sequence number that a message of p tells.
func (w *Worker) noteSeq(p *peer, seq uint64) {
	have := p.keys.RecordSeq()
	if seq == have || seq == 0 {
		return
	}
	n := recordUpdate{id: enr.ID(*p.id), seq: seq, from: p.from, older: seq < have}
	if w.noteUpdate(n) {
		p.keys.ReplaceRecordSeq(have, seq)
	}
}

// reconsider asks a node for its record that has made contact without it, from an endpoint that the
// record known here does not state.
func (w *Worker) reconsider(known *enr.Record, from netip.AddrPort) {
	if !endpointMatches(known, from) {
		w.noteUpdate(recordUpdate{id: known.ID(), seq: known.Seq(), from: from, any: true})
	}
}

// current reports whether what is known of a node is what it says it has.
func (n *recordUpdate) current(have uint64) bool {
	switch {
	case n.any:
		return false
	case n.older:
		return have <= n.seq
	}
	return have >= n.seq
}

// noteUpdate notes that a node has said that it has another record than it has shown in this
// session. It reports false if the node has to say so again.
//
// A node that is not in the table is asked too: it may have left the table because it moved, or its
// record named no address when it first made contact, as that of a node behind a NAT that does not
// know its address yet.
func (w *Worker) noteUpdate(n recordUpdate) bool {
	e, m := w.e, &w.e.maintain
	have, ok := e.table.Seq(n.id)
	if ok && n.current(have) {
		return true
	}
	n.unlisted = !ok
	if m.updatesFull(&n) {
		return false // before what takes longer: peers say it in each PING until there is room
	}
	if n.unlisted {
		r := e.known(n.id)
		if r != nil && n.current(r.Seq()) || r == nil && n.older {
			return true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// One node has one place, or a few that count up in each PING would leave none to others.
	if i := slices.IndexFunc(m.updates, func(o recordUpdate) bool { return o.id == n.id }); i >= 0 {
		n.unlisted = m.updates[i].unlisted
		m.updates[i] = n
		return true
	}
	if m.fullLocked(&n) {
		return false
	}
	if !e.budget.Claim(w.now, n.from, !n.unlisted) {
		w.counts[BudgetClaims]++
		return false
	}
	m.updates = append(m.updates, n)
	return true
}

// updatesFull reports whether a further node cannot be noted.
func (m *maintenance) updatesFull(n *recordUpdate) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fullLocked(n)
}

func (m *maintenance) fullLocked(n *recordUpdate) bool {
	if len(m.updates) >= maxUpdates {
		return true
	}
	if !n.unlisted {
		return false
	}
	unlisted, inSite, inWide := 0, 0, 0
	site, wide := netaddr.Site(n.from.Addr()), netaddr.Wide(n.from.Addr())
	limited := table.Class(n.from.Addr()) == table.Global
	for i := range m.updates {
		if o := &m.updates[i]; o.unlisted && o.id != n.id {
			unlisted++
			if limited && netaddr.Site(o.from.Addr()) == site {
				inSite++
			}
			if limited && netaddr.Wide(o.from.Addr()) == wide {
				inWide++
			}
		}
	}
	return unlisted >= maxUpdatesUnlisted || inSite >= maxUpdatesSite || inWide >= maxUpdatesWide
}

// fetchUpdates asks nodes that announced another record for it.
func (w *Worker) fetchUpdates() {
	e, m := w.e, &w.e.maintain
	m.mu.Lock()
	k := min(len(m.updates), fetchesPerTick)
	newer := slices.Clone(m.updates[:k])
	m.updates = slices.Delete(m.updates, 0, k)
	m.mu.Unlock()
	for _, want := range newer {
		if have, ok := e.table.Seq(want.id); ok && want.current(have) {
			continue
		}
		// Without a record there is no key for a handshake, but there is the session in which the
		// node has spoken.
		w.start(Request{Type: codec.TypeFindNode, Peer: e.PeerAt(want.id, want.from), Distances: []uint{0}, NoFallback: true, Done: func(w *Worker, r Result) {
			if r.Err != nil || len(r.Records) != 1 {
				e.retrySeq(want)
				return
			}
			w.replaceRecord(r.Records[0], want.from)
		}}, budget.Known, nil)
	}
}

// replace takes a record that the node at from has shown in place of an earlier one. As long as it
// states the address at which the table has the node, that stays: a node of both families may speak
// from either.
func (w *Worker) replaceRecord(r *enr.Record, from netip.AddrPort) {
	if n, _, ok := w.e.table.Get(r.ID()); ok && endpointMatches(r, n.Addr) {
		from = n.Addr
	}
	w.offerVerified(r, from, true, byOwner) // it has made contact by itself
}

// retrySeq has the node asked again when it next says that it has that record.
func (e *Engine) retrySeq(n recordUpdate) {
	id := [32]byte(n.id)
	k := session.MakeKey(n.from, &id)
	if keys, ok := e.sessions.Sender(&k, e.sessions.Hash(&k)); ok {
		if n.older {
			keys.ReplaceRecordSeq(n.seq, n.seq+1)
		} else {
			keys.ForgetRecordSeq(n.seq)
		}
	}
}
