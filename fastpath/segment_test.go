package fastpath

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// openSegmenter returns a Segmenter, where there is one.
func openSegmenter(t *testing.T, c Conn) *Segmenter {
	t.Helper()
	s, reason := NewSegmenter(c)
	if (s == nil) != (reason != "") {
		t.Fatalf("Segmenter %v with reason %q", s, reason)
	}
	if s == nil {
		t.Skipf("probed for UDP_SEGMENT: %s", reason)
	}
	return s
}

// numbered is n datagrams of size bytes, each beginning with its number, and a last one of tail
// bytes if that is not 0.
func numbered(n, size, tail int) []byte {
	b := make([]byte, n*size+tail)
	for i := range n {
		binary.BigEndian.PutUint64(b[i*size:], uint64(i))
	}
	if tail > 0 {
		binary.BigEndian.PutUint64(b[n*size:], uint64(n))
	}
	return b
}

// What arrives of a train is what arrives of the same datagrams sent one by one.
func TestSegments(t *testing.T) {
	for _, addr := range []Config{{Addr: loop4}, {Addr: loop6}} {
		for _, c := range []struct{ n, size, tail int }{
			{1, 100, 0}, {2, 99, 0}, {MaxSegments, 100, 0}, {5, 63, 0}, {7, 100, 40}, {1, 1280, 9}, {50, 1280, 0},
		} {
			t.Run(fmt.Sprintf("%v/%d of %d and %d", addr.Addr.Addr(), c.n, c.size, c.tail), func(t *testing.T) {
				from, to := open(t, addr), open(t, addr)
				s := openSegmenter(t, from)
				b := numbered(c.n, c.size, c.tail)
				if err := s.Send(b, c.size, to.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				want := c.n
				if c.tail > 0 {
					want++
				}
				rx := NewRx(MaxSegments, 1300)
				got := drain(t, to, rx, want)
				for i := range want {
					if part := b[i*c.size : min((i+1)*c.size, len(b))]; !bytes.Equal(got[i], part) {
						t.Errorf("datagram %d is %d bytes, want %d, or another one", i, len(got[i]), len(part))
					}
				}
				idle(t, to, rx)
				if st := from.Stats(); st.TxDatagrams != uint64(want) || st.TxBytes != uint64(len(b)) || st.TxBatches != 1 {
					t.Errorf("counted %+v", st)
				}
			})
		}
	}
}

func TestTrainLength(t *testing.T) {
	for size, want := range map[int]int{0: 63, 1: 63, 100: 63, 1280: 50, 65000: 1, 65527: 1} {
		if n := TrainLength(size); n != want {
			t.Errorf("TrainLength(%d) = %d, want %d", size, n, want)
		}
	}
	s := openSegmenter(t, open(t, Config{Addr: loop4}))
	for name, c := range map[string]struct{ bytes, size int }{
		"empty": {0, 100}, "no size": {10, 0}, "too many": {64 * 100, 100}, "too long": {51 * 1280, 1280},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			s.Send(make([]byte, c.bytes), c.size, loop4)
		})
	}
}

// The portable path has no trains, and says so.
func TestSegmentsPortable(t *testing.T) {
	if s, reason := NewSegmenter(open(t, Config{Addr: loop4, DisableBatch: true})); s != nil || reason == "" {
		t.Errorf("Segmenter %v, reason %q", s, reason)
	}
}

func TestSegmentsClosed(t *testing.T) {
	c := open(t, Config{Addr: loop4})
	s := openSegmenter(t, c)
	c.Close()
	if err := s.Send(numbered(3, 100, 0), 100, loop4); !errors.Is(err, ErrClosed) {
		t.Errorf("Send on a closed socket: %v", err)
	}
	if st := c.Stats(); st.SendErrors != (SendErrors{Closed: 3}) {
		t.Errorf("counted %+v", st.SendErrors)
	}
}

// A destination of the other family is counted as it is by WriteBatch.
func TestSegmentsFamily(t *testing.T) {
	c := open(t, Config{Addr: loop4})
	s := openSegmenter(t, c)
	if err := s.Send(numbered(3, 100, 0), 100, loop6); err != nil {
		t.Errorf("Send: %v", err)
	}
	if st := c.Stats(); st.SendErrors != (SendErrors{Family: 3}) || s.Reason() != "" {
		t.Errorf("counted %+v, reason %q", st.SendErrors, s.Reason())
	}
}
