package session

import (
	"fmt"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// BatchSize is the largest number of handshakes in a batch.
const BatchSize = curve.BatchSize

// Exchange is one handshake of a batch. Exchanges may be reused; Reset makes them empty.
type Exchange struct {
	Packet     *codec.Packet // argument
	Candidates Candidates    // argument: the challenges that Packet may answer
	Known      *enr.Record   // argument: this node's newest record of the sender, or nil

	Agreement Agreement // result of AgreeBatch; its Challenge points into Candidates
	Accepted  Accepted  // result of FinishBatch

	// Err is the error of AgreeBatch and of FinishBatch, which skips exchanges with an error.
	Err error
}

// Reset empties x.
func (x *Exchange) Reset() {
	x.Candidates.n = 0
	x.Packet, x.Known, x.Agreement, x.Accepted, x.Err = nil, nil, Agreement{}, Accepted{}, nil
}

// Batches reports whether AgreeBatch and FinishBatch take less time than single calls on this
// processor, and with the Curve of h.
func (h *Handshaker) Batches() bool { return curve.Batches(h.Curve) }

// batchScratch is memory for one batch. It keeps no secrets.
type batchScratch struct {
	w             operands
	at            [BatchSize]int // indexes of exchanges
	decompression [BatchSize]curve.Decompression
	agreement     [BatchSize]curve.Agreement
	verification  [BatchSize]curve.Verification
	views         [BatchSize]enr.View
	owners        [BatchSize]enr.Owner
	records       [BatchSize]*enr.Record
	errs          [BatchSize]error
}

func (h *Handshaker) batch() *batchScratch {
	if s, ok := h.batches.Get().(*batchScratch); ok {
		return s
	}
	return new(batchScratch)
}

func (h *Handshaker) releaseBatch(s *batchScratch) {
	s.w = operands{}
	clear(s.agreement[:])
	clear(s.views[:])
	clear(s.records[:])
	h.batches.Put(s)
}

// AgreeBatch is Agree for each exchange; it sets Agreement and Err. It makes the same checks in the
// same order for each of them, and does the arithmetic of all together. Precondition: there are at
// most BatchSize exchanges.
func (h *Handshaker) AgreeBatch(list []*Exchange) {
	s := h.batch()
	defer h.releaseBatch(s)
	s.readRecords(h, list)
	n := 0
	for i, x := range list {
		if x.Err == nil {
			s.at[n], s.agreement[n].PublicKey = i, [codec.EphemeralKeySize]byte(x.Packet.EphemeralKey)
			n++
		}
	}
	s.w.scalar = h.Key.Bytes()
	// The key of this node is valid, so there is no error.
	_ = curve.ECDHBatch(h.Curve, &s.w.scalar, s.agreement[:n])
	for i, at := range s.at[:n] {
		x, g := list[at], &s.agreement[i]
		if !g.OK {
			x.Err = ErrEphemeral
			continue
		}
		x.Err = h.open(&s.w, &x.Agreement, x.Candidates.List(), x.Packet, &g.Secret)
	}
}

// readRecords reads the records of the handshakes and sets the public keys that signed them, as
// newer does.
func (s *batchScratch) readRecords(h *Handshaker, list []*Exchange) {
	n := 0
	for i, x := range list {
		x.Err = nil
		a := &x.Agreement
		*a = Agreement{known: x.Known}
		if !PlausibleKey(x.Packet.EphemeralKey) {
			x.Err = ErrEphemeral
			continue
		}
		if x.Known != nil {
			a.pub, _ = x.Known.PublicKey()
		}
		if a.view, a.fresh, x.Err = sentRecord(x.Packet, x.Known); x.Err != nil || !a.fresh {
			continue
		}
		if r, ok := h.Records.Get(a.view); ok {
			a.pub, _ = r.PublicKey()
			x.Err = checkOwner(r.ID(), x.Packet)
			continue
		}
		s.at[n], s.views[n] = i, a.view
		n++
	}
	enr.Owners(s.views[:n], s.owners[:n])
	for i, at := range s.at[:n] {
		x, o := list[at], &s.owners[i]
		if o.Err != nil {
			x.Err = fmt.Errorf("%w: %w", ErrRecord, o.Err)
			continue
		}
		x.Agreement.xy, x.Agreement.point = o.Point, true
		x.Err = checkOwner(o.ID, x.Packet)
	}
}

// checkOwner returns ErrRecordOwner if the record in p belongs to another node, id.
func checkOwner(id enr.ID, p *codec.Packet) error {
	if id != p.SourceID {
		return ErrRecordOwner
	}
	return nil
}

// FinishBatch is Finish for each exchange whose Err is nil; it sets Accepted and Err. Precondition:
// AgreeBatch has set the Agreement of each.
func (h *Handshaker) FinishBatch(list []*Exchange) {
	s := h.batch()
	defer h.releaseBatch(s)
	s.findPoints(h, list)
	s.verifyIDs(h, list)
	s.verifyRecords(h, list)
	for _, x := range list {
		if x.Err == nil {
			x.Agreement.Keys.SetRecordSeq(x.Accepted.Record.Seq())
			x.Accepted.Keys, x.Accepted.Plaintext = x.Agreement.Keys, x.Agreement.Plaintext
		}
	}
}

// findPoints decompresses the public keys whose coordinates are not known yet.
func (s *batchScratch) findPoints(h *Handshaker, list []*Exchange) {
	n := 0
	for i, x := range list {
		if x.Err == nil && !x.Agreement.point {
			s.at[n], s.decompression[n].PublicKey = i, x.Agreement.pub
			n++
		}
	}
	curve.DecompressBatch(h.Curve, s.decompression[:n])
	for i, at := range s.at[:n] {
		list[at].Agreement.xy = s.decompression[i].Point // of a verified record, so there is one
	}
}

// verifyIDs verifies the ID signatures.
func (s *batchScratch) verifyIDs(h *Handshaker, list []*Exchange) {
	n := 0
	for i, x := range list {
		if x.Err != nil {
			continue
		}
		v := &s.verification[n]
		v.Point, v.Digest, v.Signature = x.Agreement.xy, h.idDigest(&x.Agreement, x.Packet), [codec.SignatureSize]byte(x.Packet.Signature)
		s.at[n] = i
		n++
	}
	curve.VerifyBatch(h.Curve, s.verification[:n])
	for i, at := range s.at[:n] {
		if !s.verification[i].OK {
			list[at].Err = ErrIDSignature
		}
	}
}

// verifyRecords sets the records of the accepted handshakes: the known ones, or those in the
// packets, which it verifies.
func (s *batchScratch) verifyRecords(h *Handshaker, list []*Exchange) {
	n := 0
	for i, x := range list {
		a := &x.Agreement
		switch {
		case x.Err != nil:
			continue
		case !a.fresh:
			x.Accepted.Record = a.known
			continue
		case !a.point: // the cache had it
			if r, err := h.Records.Verify(a.view); err != nil {
				x.Err = fmt.Errorf("%w: %w", ErrRecord, err)
			} else {
				x.Accepted.Record = r
			}
			continue
		}
		s.at[n], s.views[n] = i, a.view
		s.owners[n] = enr.Owner{ID: x.Packet.SourceID, Point: a.xy}
		n++
	}
	h.Records.VerifyOwnedBatch(s.views[:n], s.owners[:n], s.records[:n], s.errs[:n])
	for i, at := range s.at[:n] {
		if list[at].Accepted.Record = s.records[i]; s.errs[i] != nil {
			list[at].Err = fmt.Errorf("%w: %w", ErrRecord, s.errs[i])
		}
	}
}
