package discv5

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// numbered makes records with the sequence numbers from first to last.
func numbered(t *testing.T, first, last uint64) (list []*enr.Record) {
	t.Helper()
	key, err := enr.ParsePrivateKey(append(make([]byte, 31), 1))
	if err != nil {
		t.Fatal(err)
	}
	for seq := first; seq <= last; seq++ {
		r, err := enr.NewBuilder().SetSeq(seq).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// slow yields records, each after a pause.
func slow(pause time.Duration, list []*enr.Record) iter.Seq2[*enr.Record, error] {
	return func(yield func(*enr.Record, error) bool) {
		for _, r := range list {
			time.Sleep(pause)
			if !yield(r, nil) {
				return
			}
		}
	}
}

// seqs are the sequence numbers that seq yields, at most count. An error is 0.
func seqs(seq iter.Seq2[*enr.Record, error], count int) (got []uint64) {
	for r, err := range seq {
		n := uint64(0)
		if err == nil {
			n = r.Seq()
		}
		if got = append(got, n); len(got) == count {
			break
		}
	}
	return got
}

var errTest = errors.New("of the test")

func failing(yield func(*enr.Record, error) bool) { yield(nil, errTest) }

func TestFilter(t *testing.T) {
	list := numbered(t, 1, 6)
	even := Filter(slow(0, list), func(r *enr.Record) bool { return r.Seq()%2 == 0 })
	if got := seqs(even, 10); !slices.Equal(got, []uint64{2, 4, 6}) {
		t.Errorf("got %v", got)
	}
	if got := seqs(even, 2); !slices.Equal(got, []uint64{2, 4}) {
		t.Errorf("got %v of a loop that is left", got)
	}
	none := Filter(failing, func(*enr.Record) bool { t.Error("asked about an error"); return false })
	if got := seqs(none, 10); !slices.Equal(got, []uint64{0}) {
		t.Errorf("got %v of a sequence that fails", got)
	}
}

func TestMix(t *testing.T) {
	for _, c := range []struct {
		name     string
		patience time.Duration
		sources  func(t *testing.T) []iter.Seq2[*enr.Record, error]
		want     []uint64
	}{
		{"no source", 0, func(*testing.T) []iter.Seq2[*enr.Record, error] { return nil }, nil},
		{"one takes turns with another", -1, func(t *testing.T) []iter.Seq2[*enr.Record, error] {
			return []iter.Seq2[*enr.Record, error]{slow(0, numbered(t, 1, 3)), slow(time.Hour, numbered(t, 11, 13))}
		}, []uint64{1, 11, 2, 12, 3, 13}},
		{"who has nothing is not waited for", time.Second, func(t *testing.T) []iter.Seq2[*enr.Record, error] {
			return []iter.Seq2[*enr.Record, error]{slow(0, numbered(t, 1, 3)), slow(time.Hour, numbered(t, 11, 12))}
		}, []uint64{1, 2, 3, 11, 12}},
		{"who has something in time is", time.Second, func(t *testing.T) []iter.Seq2[*enr.Record, error] {
			return []iter.Seq2[*enr.Record, error]{slow(0, numbered(t, 1, 3)), slow(time.Second/2, numbered(t, 11, 12))}
		}, []uint64{1, 11, 2, 12, 3}},
		{"an error passes, and the others go on", -1, func(t *testing.T) []iter.Seq2[*enr.Record, error] {
			return []iter.Seq2[*enr.Record, error]{slow(0, numbered(t, 1, 2)), failing, slow(0, numbered(t, 11, 12))}
		}, []uint64{1, 0, 11, 2, 12}},
		{"one ends before the others", -1, func(t *testing.T) []iter.Seq2[*enr.Record, error] {
			return []iter.Seq2[*enr.Record, error]{slow(0, numbered(t, 1, 1)), slow(0, numbered(t, 11, 13)), slow(0, numbered(t, 21, 22))}
		}, []uint64{1, 11, 21, 12, 22, 13}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := seqs(Mix(c.patience, c.sources(t)...), 20); !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

// A loop that is left leaves no goroutine behind: synctest complains about one.
func TestMixLeftEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := Mix(time.Second, slow(0, numbered(t, 1, 9)), slow(time.Minute, numbered(t, 11, 19)))
		if got := seqs(m, 2); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("got %v", got)
		}
		time.Sleep(2 * time.Minute) // the slow source ends with its next record
	})
}

func TestIterator(t *testing.T) {
	list := numbered(t, 1, 3)
	t.Run("all", func(t *testing.T) {
		it := NewIterator(func(context.Context) iter.Seq2[*enr.Record, error] { return slow(0, list) })
		defer it.Close()
		var got []uint64
		for it.Next() {
			got = append(got, it.Node().Seq())
		}
		if !slices.Equal(got, []uint64{1, 2, 3}) || it.Err() != nil || it.Node() != nil || it.Next() {
			t.Errorf("got %v, error %v", got, it.Err())
		}
	})
	t.Run("error", func(t *testing.T) {
		it := NewIterator(func(context.Context) iter.Seq2[*enr.Record, error] {
			return Mix(-1, slow(0, list), failing, slow(0, list[:1]))
		})
		defer it.Close()
		n := 0
		for it.Next() {
			if n++; it.Err() != nil {
				t.Errorf("record %d with error %v", n, it.Err())
			}
		}
		if n != 4 || it.Err() != nil {
			t.Errorf("%d records, error %v", n, it.Err())
		}
		it = NewIterator(func(context.Context) iter.Seq2[*enr.Record, error] { return failing })
		if it.Next() || !errors.Is(it.Err(), errTest) || it.Next() || !errors.Is(it.Err(), errTest) {
			t.Errorf("ended with %v", it.Err())
		}
	})
	t.Run("close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ended := false
			it := NewIterator(func(ctx context.Context) iter.Seq2[*enr.Record, error] {
				return func(yield func(*enr.Record, error) bool) {
					yield(nil, errTest)
					<-ctx.Done()
					ended = true
				}
			})
			time.AfterFunc(time.Hour, it.Close)
			time.AfterFunc(time.Minute, func() {
				if !errors.Is(it.Err(), errTest) {
					t.Errorf("while Next waits: %v", it.Err())
				}
			})
			start := time.Now()
			if it.Next() || time.Since(start) != time.Hour || it.Err() != nil {
				t.Errorf("after %v: %v", time.Since(start), it.Err())
			}
			synctest.Wait()
			if it.Close(); !ended || it.Next() {
				t.Error("the source continues")
			}
		})
	})
	t.Run("closed before", func(t *testing.T) {
		it := NewIterator(func(ctx context.Context) iter.Seq2[*enr.Record, error] { return slow(0, list) })
		it.Close()
		if it.Next() || it.Node() != nil {
			t.Error("a record after Close")
		}
	})
}
