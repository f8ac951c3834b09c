package enr

import (
	"bytes"
	"fmt"
	"testing"
)

// batchViews returns n records. If bad is set, some are invalid in different ways.
func batchViews(t testing.TB, n int, bad bool) (views []View) {
	t.Helper()
	for i := range n {
		b := bytes.Clone(testRecord(t, byte(i+1)).Bytes())
		if bad {
			switch i % 5 {
			case 1: // other content
				b[len(b)-1] ^= 1
			case 2: // other signature
				b[10] ^= 1
			case 3: // an unknown scheme
				b = bytes.Replace(b, []byte("\x82id\x82v4"), []byte("\x82id\x82v5"), 1)
			case 4: // a key that is not on the curve
				at := bytes.Index(b, []byte("secp256k1\xa1")) + len("secp256k1\xa1")
				for j := range 32 {
					b[at+1+j] = 0
				}
				b[at+32] = 5
			}
		}
		v, err := ParseView(b)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	return views
}

// TestCacheBatch: a batch has the results and the counts of single calls.
func TestCacheBatch(t *testing.T) {
	for _, bad := range []bool{false, true} {
		for _, n := range []int{0, 1, 2, 3, 8, 9, 20} {
			t.Run(fmt.Sprint(bad, n), func(t *testing.T) {
				views := batchViews(t, n, bad)
				single, batch, owned := NewCache(64, 1), NewCache(64, 1), NewCache(64, 1)
				for range 2 { // the second time they are cached
					owners, records, errs := make([]Owner, n), make([]*Record, n), make([]error, n)
					batch.VerifyBatch(views, records, errs)
					Owners(views, owners)
					records2, errs2 := make([]*Record, n), make([]error, n)
					owned.VerifyOwnedBatch(views, owners, records2, errs2)
					for i, v := range views {
						id, xy, err := v.Owner()
						if o := owners[i]; o.Err != err || err == nil && (o.ID != id || o.Point != xy) {
							t.Errorf("owner %d: %v, want %v", i, o, err)
						}
						want, err := single.Verify(v)
						for _, got := range []struct {
							r   *Record
							err error
						}{{records[i], errs[i]}, {records2[i], errs2[i]}} {
							if got.err != err || (got.r == nil) != (want == nil) || got.r != nil && (got.r.ID() != want.ID() || !bytes.Equal(got.r.Bytes(), v.Bytes())) {
								t.Errorf("record %d: %v, %v, want %v, %v", i, got.r, got.err, want, err)
							}
						}
						if again, ok := batch.Get(v); ok != (err == nil) || ok && again != records[i] {
							t.Errorf("record %d: cached %v", i, ok)
						}
					}
				}
				if batch.Stats() != single.Stats() {
					t.Errorf("%+v, want %+v", batch.Stats(), single.Stats())
				}
			})
		}
	}
}

// BenchmarkVerifyBatch verifies the records of a NODES response.
func BenchmarkVerifyBatch(b *testing.B) {
	const n = 16
	views := batchViews(b, n, false)
	records, errs := make([]*Record, n), make([]error, n)
	b.Run("single", func(b *testing.B) {
		for b.Loop() {
			c := NewCache(64, 1)
			for i, v := range views {
				records[i], errs[i] = c.Verify(v)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
	})
	b.Run("batch", func(b *testing.B) {
		for b.Loop() {
			NewCache(64, 1).VerifyBatch(views, records, errs)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
	})
}
