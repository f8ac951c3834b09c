package enr

import (
	"sync"

	"github.com/fastdisc/discv5/internal/curve"
)

// Owner is a result of Owners: what View.Owner returns for one record.
type Owner struct {
	ID    ID
	Point [64]byte // the coordinates x || y of the public key
	Err   error    // ErrScheme, ErrPublicKey or nil
}

// batchScratch is memory for the arithmetic of one batch.
type batchScratch struct {
	at            [curve.BatchSize]int // indexes of the elements
	decompression [curve.BatchSize]curve.Decompression
	verification  [curve.BatchSize]curve.Verification
	owners        [curve.BatchSize]Owner
	views         [curve.BatchSize]View
}

var batchScratches = sync.Pool{New: func() any { return new(batchScratch) }}

func (s *batchScratch) release() {
	clear(s.views[:])
	batchScratches.Put(s)
}

// Owners calls View.Owner for each view and stores the results in owners, which has the same
// length. On processors with AVX-512 IFMA this takes a fraction of the time of single calls.
func Owners(views []View, owners []Owner) {
	s := batchScratches.Get().(*batchScratch)
	defer s.release()
	s.findOwners(views, owners)
}

func (s *batchScratch) findOwners(views []View, owners []Owner) {
	n := 0
	flush := func() {
		curve.DecompressBatch(curve.Default(), s.decompression[:n])
		for i, at := range s.at[:n] {
			o, d := &owners[at], &s.decompression[i]
			if !d.OK {
				o.Err = ErrPublicKey
				continue
			}
			o.Point = d.Point
			o.ID = keccak256(o.Point[:])
		}
		n = 0
	}
	for i, v := range views {
		owners[i] = Owner{}
		if string(v.IdentityScheme()) != schemeV4 {
			owners[i].Err = ErrScheme
			continue
		}
		s.at[n], s.decompression[n].PublicKey = i, *v.publicKey()
		if n++; n == len(s.at) {
			flush()
		}
	}
	flush()
}

// VerifyBatch calls Verify for each view and stores the results in records and errs, which have the
// same length. On processors with AVX-512 IFMA it takes a fraction of the time of single calls.
func (c *Cache) VerifyBatch(views []View, records []*Record, errs []error) {
	s := batchScratches.Get().(*batchScratch)
	defer s.release()
	n := 0
	var missed [curve.BatchSize]int
	flush := func() {
		s.findOwners(s.views[:n], s.owners[:n])
		s.verifyOwned(c, s.views[:n], s.owners[:n], func(i int, r *Record, err error) {
			records[missed[i]], errs[missed[i]] = r, err
		})
		n = 0
	}
	for i, v := range views {
		if records[i], _ = c.Get(v); records[i] != nil {
			errs[i] = nil
			continue
		}
		missed[n], s.views[n] = i, v
		if n++; n == len(s.views) {
			flush()
		}
	}
	flush()
}

// VerifyOwnedBatch is VerifyBatch for callers that have the results of Owners for these views. The
// precondition of VerifyOwned holds for all of them.
func (c *Cache) VerifyOwnedBatch(views []View, owners []Owner, records []*Record, errs []error) {
	s := batchScratches.Get().(*batchScratch)
	defer s.release()
	for i := 0; i < len(views); i += curve.BatchSize {
		end := min(i+curve.BatchSize, len(views))
		s.verifyOwned(c, views[i:end], owners[i:end], func(j int, r *Record, err error) {
			records[i+j], errs[i+j] = r, err
		})
	}
}

// verifyOwned verifies up to BatchSize records and calls result for each of them.
func (s *batchScratch) verifyOwned(c *Cache, views []View, owners []Owner, result func(int, *Record, error)) {
	n := 0
	for i, v := range views {
		if owners[i].Err != nil {
			result(i, nil, c.fail(owners[i].Err))
			continue
		}
		q := &s.verification[n]
		q.Point, q.Digest, q.Signature = owners[i].Point, contentDigest(v.bytes[v.content:]), [SignatureSize]byte(v.Signature())
		s.at[n] = i
		n++
	}
	curve.VerifyBatch(curve.Default(), s.verification[:n])
	for i, at := range s.at[:n] {
		var err error
		if !s.verification[i].OK {
			err = ErrBadSignature
		}
		set, tag := c.find(views[at].bytes)
		r, err := c.store(set, tag, views[at], owners[at].ID, err)
		result(at, r, err)
	}
}
