package enr

import (
	"math"
	"slices"
)

// view lets Record embed View without letting others replace it.
type view = View

// Record is a verified record that owns its bytes and never changes. Share it freely between
// goroutines. It has all accessors of [View]; slices that they return are for reading only.
// Records are made by Parse, ParseText, View.Own, Builder.Sign and Cache.Verify.
//
// A Record takes about 450 bytes of memory together with its encoding.
type Record struct {
	view
	id ID
}

// Parse copies b, exactly one record, and checks its structure and signature.
// The error is one of the variables of this package that name a reason for rejection.
func Parse(b []byte) (*Record, error) {
	v, err := ParseView(b)
	if err != nil {
		return nil, err
	}
	return v.Own()
}

// Own verifies the record and copies it. It fails as Verify does.
func (v View) Own() (*Record, error) {
	id, err := v.verify()
	if err != nil {
		return nil, err
	}
	return v.own(id), nil
}

// own copies a record that has been verified, and whose owner is id.
func (v View) own(id ID) *Record {
	r := &Record{view: v, id: id}
	// with no room behind it, into which an append by a caller would write
	r.bytes = make([]byte, len(v.bytes))
	copy(r.bytes, v.bytes)
	return r
}

// ID returns the node ID.
func (r *Record) ID() ID { return r.id }

// NodeID returns the node ID. The error is always nil.
func (r *Record) NodeID() (ID, error) { return r.id, nil }

// Verify returns nil: a Record has been verified.
func (r *Record) Verify() error { return nil }

// Own returns r itself.
func (r *Record) Own() (*Record, error) { return r, nil }

// View returns a view of the record. It stays valid, as the bytes of a Record never change.
func (r *Record) View() View { return r.view }

// Edit returns a builder that holds the pairs of r and the next sequence number. r itself does not
// change. An entry of r that does not fit its key is kept until it is set or deleted. When r has
// the highest sequence number of all, Sign of the builder returns ErrSeqOverflow.
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
