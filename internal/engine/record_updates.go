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

// Every PING and PONG carries the sequence number of its sender's record (discv5-wire.md). If the
// number is new, the node asks the sender for its record, at the address the message came from: the
// address of the peer may have changed, and its new record names it.

const (
	// maxUpdates bounds the nodes whose record is to be requested, maxUpdatesUnlisted those among
	// them that are not in the table, maxUpdatesSite those of the latter in one /24 or /48, and
	// maxUpdatesWide those in one /16 or /32. More wait for the next PING.
	maxUpdates         = 128
	maxUpdatesUnlisted = 64
	maxUpdatesSite     = 2
	maxUpdatesWide     = 8
	// fetchesPerTick bounds the records that one Tick requests.
	fetchesPerTick = 16
)

type recordUpdate struct {
	id   enr.ID
	seq  uint64
	from netip.AddrPort
	// older: the node has fallen back to an older record.
	older bool
	// any: it is not known which record the node has.
	any      bool
	unlisted bool
}

// noteSeq notes the sequence number in a message of p.
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

// reconsider notes a node that made contact without sending its record, from an endpoint that the
// known record does not state.
func (w *Worker) reconsider(known *enr.Record, from netip.AddrPort) {
	if !endpointMatches(known, from) {
		w.noteUpdate(recordUpdate{id: known.ID(), seq: known.Seq(), from: from, any: true})
	}
}

// current reports whether the known record with number have is the announced one.
func (n *recordUpdate) current(have uint64) bool {
	switch {
	case n.any:
		return false
	case n.older:
		return have <= n.seq
	}
	return have >= n.seq
}

// noteUpdate notes that a node has announced another record than it has shown in this session. It
// reports false if the node must announce it once more.
//
// Nodes outside the table count too. Such a node may have left the table because it moved, or its
// record named no address when it first made contact, for example behind a NAT.
func (w *Worker) noteUpdate(n recordUpdate) bool {
	e, m := w.e, &w.e.maintain
	have, ok := e.table.Seq(n.id)
	if ok && n.current(have) {
		return true
	}
	n.unlisted = !ok
	if m.updatesFull(&n) {
		return false // cheap check first: peers announce it in each PING until there is room
	}
	if n.unlisted {
		r := e.known(n.id)
		if r != nil && n.current(r.Seq()) || r == nil && n.older {
			return true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// One node has one slot. Otherwise a few that count up in each PING would leave none to others.
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

// updatesFull reports whether there is no room for a node.
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

// fetchUpdates requests the records of nodes that announced another one.
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
		// A handshake needs the key in the record, but the node has a session.
		w.start(Request{Type: codec.TypeFindNode, Peer: e.PeerAt(want.id, want.from), Distances: []uint{0}, NoFallback: true, Done: func(w *Worker, r Result) {
			if r.Err != nil || len(r.Records) != 1 {
				e.retrySeq(want)
				return
			}
			w.replaceRecord(r.Records[0], want.from)
		}}, budget.Known, nil)
	}
}

// replaceRecord takes a record that the node at from has sent. While it states the address of the
// table entry, that address stays: a dual-stack node may send from either.
func (w *Worker) replaceRecord(r *enr.Record, from netip.AddrPort) {
	if n, _, ok := w.e.table.Get(r.ID()); ok && endpointMatches(r, n.Addr) {
		from = n.Addr
	}
	w.offerVerified(r, from, true, byOwner) // it contacted us
}

// retrySeq makes the next announcement of that record count as new.
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
