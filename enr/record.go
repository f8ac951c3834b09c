package enr

import (
	"math"
	"slices"
)

// view lets Record embed View as an unexported field.
type view = View

// Record is a verified record that owns its bytes. It is immutable and safe for concurrent use. It
// has all accessors of [View]; do not change the slices that they return. Parse, ParseText,
// View.Own, Builder.Sign and Cache.Verify return Records.
//
// A Record takes about 450 bytes of memory, including its encoding.
type Record struct {
	view
	id ID
}

// Parse copies b, exactly one record, and checks its structure and signature. The error is one of
// this package's reasons to reject a record.
func Parse(b []byte) (*Record, error) {
	v, err := ParseView(b)
	if err != nil {
		return nil, err
	}
	return v.Own()
}

// Own verifies the record and copies it. It returns the errors of Verify.
func (v View) Own() (*Record, error) {
	id, err := v.verify()
	if err != nil {
		return nil, err
	}
	return v.own(id), nil
}

// own copies a verified record with owner id.
func (v View) own(id ID) *Record {
	r := &Record{view: v, id: id}
	// No spare capacity, so that a caller's append does not write into it.
	r.bytes = make([]byte, len(v.bytes))
	copy(r.bytes, v.bytes)
	return r
}

// ID returns the node ID.
func (r *Record) ID() ID { return r.id }

// NodeID returns the node ID. The error is always nil.
func (r *Record) NodeID() (ID, error) { return r.id, nil }

// Verify returns nil, because a Record is verified.
func (r *Record) Verify() error { return nil }

// Own returns r itself.
func (r *Record) Own() (*Record, error) { return r, nil }

// View returns a view of the record. It stays valid, because a Record is immutable.
func (r *Record) View() View { return r.view }

// Edit returns a builder with the pairs of r and the next sequence number. It does not change r. It
// keeps an entry that does not fit its key until you set or delete it. If r has the highest
// possible sequence number, Sign of the builder returns ErrSeqOverflow.
func (r *Record) Edit() *Builder {
	b := NewBuilder()
	for k, value := range r.Pairs() {
		b.pairs = append(b.pairs, pair{key: string(k), value: slices.Clone(value), kept: true})
	}
	if r.seq == math.MaxUint64 {
		return b.fail(ErrSeqOverflow)
	}
	return b.SetSeq(r.seq + 1)
}
