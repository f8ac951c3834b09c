package engine

import (
	"net/netip"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
)

// PeerAt makes a Peer of a node at an address. Its key is that of the record which the node has
// shown in its session there, or of one that is known otherwise. Without either the Peer has no
// key: then a request needs the session, and ends with ErrNoSession if there is none, or the peer
// has lost it.
func (e *Engine) PeerAt(id enr.ID, addr netip.AddrPort) Peer {
	p := Peer{ID: id, Addr: netaddr.NormalizePort(addr)}
	b := [32]byte(id)
	k := session.MakeKey(p.Addr, &b)
	info, _ := e.sessions.Get(&k, e.sessions.Hash(&k))
	if p.Record = info.Record; p.Record == nil {
		p.Record = e.known(id)
	}
	return p
}

// SessionPeer makes a Peer of a node that this one has a session with, at the address that was used
// last. It looks at all sessions.
func (e *Engine) SessionPeer(id enr.ID) (Peer, bool) {
	info, ok := e.sessions.Find(id)
	if !ok {
		return Peer{}, false
	}
	return e.PeerAt(id, info.Key.AddrPort()), true
}

// noteRecord keeps a record that the node with session key k has shown.
func (e *Engine) noteRecord(k *session.Key, hash uint64, r *enr.Record) {
	if r != nil && r.ID() == k.ID() {
		e.sessions.SetRecord(k, hash, r)
	}
}

// talkRequest copies a request, whose packet has a size, for its handler.
func (w *Worker) talkRequest(p *peer, m *codec.TalkRequest, size int) TalkRequest {
	info, _ := w.e.sessions.Get(p.key, p.hash)
	return TalkRequest{
		From: *p.id, Addr: p.from, Record: info.Record,
		Protocol: string(m.Protocol), Payload: append([]byte(nil), m.Payload...),
		reply: replyTo{w.via, p.from, *p.key, *p.id, m.RequestID, size},
	}
}
