package engine

import (
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// recordBatch has the next records of a response, verified together.
type recordBatch struct {
	views   [curve.BatchSize]enr.View
	records [curve.BatchSize]*enr.Record
	errs    [curve.BatchSize]error
	n, next int
}

// nextRecord returns the next valid record of list, which has records that follow one another, and
// nil after the last one. It verifies several records ahead and removes them from list. It counts
// invalid ones. Callers that stop before the end must call dropRecords.
func (w *Worker) nextRecord(list *[]byte) *enr.Record {
	b := &w.verified
	for {
		for b.next < b.n {
			rec, err := b.records[b.next], b.errs[b.next]
			b.next++
			if err == nil {
				return rec
			}
			w.counts[DropNodeRecord]++
		}
		w.dropRecords()
		if len(*list) == 0 {
			return nil
		}
		for len(*list) > 0 && b.n < len(b.views) {
			v, rest, err := enr.SplitView(*list)
			if *list = rest; err != nil {
				w.counts[DropNodeRecord]++
				continue
			}
			b.views[b.n] = v
			b.n++
		}
		w.e.records.VerifyBatch(b.views[:b.n], b.records[:b.n], b.errs[:b.n])
	}
}

// dropRecords forgets the records that nextRecord has verified and not returned.
func (w *Worker) dropRecords() {
	b := &w.verified
	clear(b.views[:])
	clear(b.records[:])
	b.n, b.next = 0, 0
}

// eachRecord calls f with each valid record of list.
func (w *Worker) eachRecord(list []byte, f func(*enr.Record)) {
	for rec := w.nextRecord(&list); rec != nil; rec = w.nextRecord(&list) {
		f(rec)
	}
}
