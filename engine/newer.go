package engine

import (
	"net/netip"
	"slices"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/session"
)

// Every PING and PONG tells the sequence number of its sender's record (discv5-wire.md). If that is news, the sender is asked for the
// record, where the message came from: its address may have changed, and the record that names the new one is what is missing here.

const (
	// maxNewer bounds the nodes whose newer record waits to be asked for, and maxNewerStrange those among them that are not in the
	// table. More are left to the next PING.
	maxNewer        = 64
	maxNewerStrange = 8
)

type newerRecord struct {
	id      enr.ID
	seq     uint64
	from    netip.AddrPort
	strange bool
}

// hear takes note of the sequence number that a message of p tells.
func (w *Worker) hear(p *peer, seq uint64) {
	if seq > p.keys.RecordSeq() && w.e.maintain.newerRecord(w.e, newerRecord{id: enr.ID(*p.id), seq: seq, from: p.from}) {
		p.keys.SetRecordSeq(seq)
	}
}

// newerRecord notes that a node has said that it has a newer record than it has shown in this session. It reports false if the node has to
// say so again.
//
// A node that is not in the table is asked too: it may have left the table because it moved, or its record named no address when it
// first made contact, as that of a node behind a NAT that does not know its address yet.
func (m *maintenance) newerRecord(e *Engine, n newerRecord) bool {
	have, ok := e.table.Seq(n.id)
	if ok && have >= n.seq {
		return true
	}
	n.strange = !ok
	if m.newerFull(n.strange) {
		return false // before what takes longer: peers say it in each PING until there is room
	}
	if n.strange {
		if r := e.known(n.id); r != nil && r.Seq() >= n.seq {
			return true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// One node has one place, or a few that count up in each PING would leave none to others.
	if i := slices.IndexFunc(m.newer, func(o newerRecord) bool { return o.id == n.id }); i >= 0 {
		if o := &m.newer[i]; n.seq > o.seq {
			o.seq, o.from = n.seq, n.from
		}
		return true
	}
	if m.fullLocked(n.strange) {
		return false
	}
	if n.strange {
		m.strange++
	}
	m.newer = append(m.newer, n)
	return true
}

// newerFull reports whether no further node can be noted.
func (m *maintenance) newerFull(strange bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fullLocked(strange)
}

func (m *maintenance) fullLocked(strange bool) bool {
	return len(m.newer) >= maxNewer || strange && m.strange >= maxNewerStrange
}

// fetchNewer asks nodes that announced a newer record for it.
func (w *Worker) fetchNewer() {
	e, m := w.e, &w.e.maintain
	m.mu.Lock()
	newer := m.newer
	m.newer, m.strange = nil, 0
	m.mu.Unlock()
	for _, want := range newer {
		if have, ok := e.table.Seq(want.id); ok && have >= want.seq {
			continue
		}
		// Without a record there is no key for a handshake, but there is the session in which the node has spoken.
		p := Peer{ID: want.id, Addr: want.from}
		if r := e.known(want.id); r != nil {
			p.Record = r
			p.PublicKey, _ = r.PublicKey()
		}
		w.Start(Request{Type: codec.TypeFindNode, Peer: p, Distances: []uint{0}, Done: func(w *Worker, r Result) {
			if r.Err != nil || len(r.Records) != 1 {
				e.unheard(want)
				return
			}
			e.replace(w.now, r.Records[0], want.from)
		}})
	}
}

// replace takes a record that the node at from has shown in place of an older one. As long as it names the address at which the table has
// the node, that stays: a node of both families may speak from either.
func (e *Engine) replace(now time.Duration, r *enr.Record, from netip.AddrPort) {
	if n, _, ok := e.table.Get(r.ID()); ok && endpointMatches(r, n.Addr) {
		from = n.Addr
	}
	e.admit(now, r, from, true) // it has made contact by itself
}

// unheard has the node asked again when it next says that it has that record.
func (e *Engine) unheard(n newerRecord) {
	id := [32]byte(n.id)
	k := session.MakeKey(n.from, &id)
	if keys, ok := e.sessions.Sender(&k, e.sessions.Hash(&k)); ok {
		keys.ForgetRecordSeq(n.seq)
	}
}
