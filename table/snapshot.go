package table

import (
	"encoding/binary"
	"net/netip"

	"github.com/fastdisc/discv5/enr"
)

// Snapshot is an immutable list of the records of one bucket that may be relayed. It shares the
// records with the table. Reading it takes no lock and allocates nothing. It stays valid and
// unchanged; the table publishes a new one when the bucket changes. A nil Snapshot is empty.
type Snapshot struct {
	entries []relayEntry
	capable []Capable
}

// Capable names an entry of a Snapshot that is a registrar of topics, see enr.View.SupportsTopics.
// With the beginning of its node ID a caller can pass over most entries without reading them.
type Capable struct {
	Head  uint64 // the first eight bytes of the node ID, big-endian
	Index int
}

// Capable returns the entries that are registrars, for reading only.
func (s *Snapshot) Capable() []Capable {
	if s == nil {
		return nil
	}
	return s.capable
}

type relayEntry struct {
	record *enr.Record
	class  AddrClass
	stated FamilySet
	proven FamilySet
	only   FamilySet // of the requester; 0 for any
	id     enr.ID
	addr   netip.AddrPort
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

// Verified returns record i, 0 <= i < Len.
func (s *Snapshot) Verified(i int) *enr.Record { return s.entries[i].record }

// ID returns the node ID of record i, 0 <= i < Len, for reading only.
func (s *Snapshot) ID(i int) *enr.ID { return &s.entries[i].id }

// Addr returns the endpoint at which node i is contacted, 0 <= i < Len.
func (s *Snapshot) Addr(i int) netip.AddrPort { return s.entries[i].addr }

// Class returns the most restricted class among the endpoints that record i states and the address
// at which the node is contacted, 0 <= i < Len. A record that names a private address beside a
// global one is private, because it can only be relayed with the private address.
func (s *Snapshot) Class(i int) AddrClass { return s.entries[i].class }

// Proven returns the families in which the endpoint that record i states has answered a PING, 0 <=
// i < Len. It is never 0.
func (s *Snapshot) Proven(i int) FamilySet { return s.entries[i].proven }

// MayRelay reports whether record i, 0 <= i < Len, may be sent to a requester whose address has the
// given class and family (Class and FamilyOf of its source address). A record of a replacement goes
// only to requesters of a family with few members. For other records the function MayRelay decides,
// and one more rule: if the record states an endpoint in the family of the requester, that endpoint
// must have answered a PING. Otherwise a node that proves one address could have the address of a
// third party relayed in the other family, because a signed record is sent whole. The caller must
// leave out the requester itself.
func (s *Snapshot) MayRelay(i int, requester AddrClass, family Family) bool {
	e := &s.entries[i]
	return MayRelay(requester, e.class) && !(e.stated &^ e.proven).Has(family) && (e.only == 0 || e.only.Has(family))
}

// Usable reports whether record i, 0 <= i < Len, states an endpoint of the given family.
func (s *Snapshot) Usable(i int, family Family) bool { return s.entries[i].stated.Has(family) }

// newSnapshot lists the relayable members, and the relayable replacements of a family with few
// members. It returns nil when there are none.
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
			only: only, id: e.node.ID, addr: e.node.Addr,
		})
		if e.topics {
			s.capable = append(s.capable, Capable{binary.BigEndian.Uint64(e.node.ID[:]), len(s.entries) - 1})
		}
	}
	return s
}

// index lists the sequence numbers of all members and replacements of a bucket. Like a Snapshot it
// is immutable and read without a lock.
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
