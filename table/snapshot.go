package table

import (
	"net/netip"

	"github.com/fastdisc/discv5/enr"
)

// Snapshot is the immutable list of the records of one bucket that may be relayed. Reading it
// takes no lock and allocates nothing. It stays valid, unchanged, for as long as it is held; the
// table publishes a new one when the bucket changes. A nil Snapshot is empty.
//
// It shares the records with the table.
type Snapshot struct {
	entries []relayEntry
}

type relayEntry struct {
	record *enr.Record
	class  AddrClass
	stated Family
	proven Family
	only   Family // of the requester; 0 for any
	id     enr.ID
	addr   netip.AddrPort
	topics bool
}

// Len returns the number of records.
func (s *Snapshot) Len() int {
	if s == nil {
		return 0
	}
	return len(s.entries)
}

// Record returns the encoded record i, 0 <= i < Len, for reading only.
func (s *Snapshot) Record(i int) []byte { return s.entries[i].record.Bytes() }

// ID returns the node ID of record i, 0 <= i < Len, for reading only.
func (s *Snapshot) ID(i int) *enr.ID { return &s.entries[i].id }

// Addr returns the endpoint at which node i is contacted, 0 <= i < Len.
func (s *Snapshot) Addr(i int) netip.AddrPort { return s.entries[i].addr }

// Class returns the most restricted class among the endpoints that record i states and the one at
// which the node is contacted, 0 <= i < Len. A record that names a private address next to a
// global one is private: it cannot be relayed without the private address.
func (s *Snapshot) Class(i int) AddrClass { return s.entries[i].class }

// Proven returns the families in which the endpoint stated by record i has answered a PING,
// 0 <= i < Len. It is never 0.
func (s *Snapshot) Proven(i int) Family { return s.entries[i].proven }

// MayRelay says whether record i, 0 <= i < Len, may be sent to a requester whose address has the
// given class and family (Class and FamilyOf of its source address). A record of a replacement goes
// to requesters of a family that few members state, and to nobody else. Otherwise the rules are
// those of the function MayRelay, and one more: where the record states an endpoint in the
// requester's own family, that endpoint has answered a PING. Otherwise whoever proves one address
// could have a stranger's address in the other family handed round (the record is signed, it can
// only be sent whole). The caller leaves out the requester itself.
func (s *Snapshot) MayRelay(i int, requester AddrClass, family Family) bool {
	e := &s.entries[i]
	return MayRelay(requester, e.class) && e.stated&family&^e.proven == 0 && (e.only == 0 || e.only&family != 0)
}

// Usable says whether record i, 0 <= i < Len, states an endpoint of the given family.
func (s *Snapshot) Usable(i int, family Family) bool { return s.entries[i].stated&family != 0 }

// Topics says whether node i, 0 <= i < Len, is a registrar of topics, see
// enr.View.SupportsTopics.
func (s *Snapshot) Topics(i int) bool { return s.entries[i].topics }

// newSnapshot lists the relayable members, and the relayable replacements of a family that few
// members state. It returns nil when there are none.
func newSnapshot(b *bucket) *Snapshot {
	n := 0
	for e, member := range b.all() {
		if e.relayable() && (member || e.minority != 0) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	s := &Snapshot{entries: make([]relayEntry, 0, n)}
	for e, member := range b.all() {
		if !e.relayable() || !member && e.minority == 0 {
			continue
		}
		only := e.minority
		if member {
			only = 0
		}
		s.entries = append(s.entries, relayEntry{
			record: e.node.Record, class: e.class, stated: e.stated, proven: e.proven,
			only: only, id: e.node.ID, addr: e.node.Addr, topics: e.node.Record.SupportsTopics(),
		})
	}
	return s
}

// index lists the sequence numbers of everything in a bucket, members and replacements. Like
// Snapshot it is immutable and read without a lock.
type index struct {
	ids  []enr.ID
	seqs []uint64
}

func newIndex(b *bucket) *index {
	n := len(b.members) + len(b.waiting)
	if n == 0 {
		return nil
	}
	x := &index{ids: make([]enr.ID, 0, n), seqs: make([]uint64, 0, n)}
	for _, list := range [2][]entry{b.members, b.waiting} {
		for i := range list {
			x.ids = append(x.ids, list[i].node.ID)
			x.seqs = append(x.seqs, list[i].node.Seq())
		}
	}
	return x
}
