package fastpath

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Faults of the system call end in the counters that WriteBatch has for them, or in ErrSegments
// with nothing counted.
func TestSegmentFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		want  SendErrors
		err   error
	}{
		{name: "none"},
		{name: "refused once is about an earlier datagram", steps: []step{{err: unix.ECONNREFUSED}}},
		{name: "refused twice", steps: []step{{err: unix.ECONNREFUSED}, {err: unix.ECONNREFUSED}}, want: SendErrors{Refused: 5}},
		{name: "no buffers, then some", steps: []step{{err: unix.ENOBUFS}, {err: unix.ENOMEM}}},
		{name: "no buffers", steps: []step{{err: unix.ENOBUFS}, {err: unix.ENOBUFS}, {err: unix.ENOBUFS}, {err: unix.ENOBUFS}, {err: unix.ENOBUFS}},
			want: SendErrors{NoBuffers: 5}},
		{name: "interrupted", steps: []step{{err: unix.EINTR}}},
		{name: "full, then room", steps: []step{{err: unix.EAGAIN}}},
		{name: "denied", steps: []step{{err: unix.EPERM}}, want: SendErrors{Denied: 5}},
		{name: "unreachable", steps: []step{{err: unix.ENETUNREACH}}, want: SendErrors{Unreachable: 5}},
		{name: "no checksums", steps: []step{{err: unix.EIO}}, err: ErrSegments},
		{name: "larger than the path", steps: []step{{err: unix.EINVAL}}, err: ErrSegments},
		{name: "broken socket", steps: []step{{err: unix.ENOTSOCK}}, want: SendErrors{Other: 5}, err: unix.ENOTSOCK},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := native(t, Config{Addr: loop4}), open(t, Config{Addr: loop4})
			from.sock.sendWait = time.Millisecond
			s := openSegmenter(t, from)
			from.send, _ = faulty(sendmmsg, c.steps...)
			err := s.Send(numbered(5, 100, 0), 100, to.LocalAddr())
			if !errors.Is(err, c.err) {
				t.Fatalf("Send = %v, want %v", err, c.err)
			}
			st := from.Stats()
			if st.SendErrors != c.want {
				t.Errorf("counted %+v, want %+v", st.SendErrors, c.want)
			}
			rx := NewRx(8, 200)
			if c.err == nil && c.want == (SendErrors{}) {
				drain(t, to, rx, 5)
			}
			idle(t, to, rx)
			if refused := errors.Is(c.err, ErrSegments); refused != (s.Reason() != "") {
				t.Errorf("reason %q", s.Reason())
			} else if refused {
				if err := s.Send(numbered(2, 100, 0), 100, to.LocalAddr()); err != ErrSegments {
					t.Errorf("second Send = %v", err)
				}
				idle(t, to, rx)
			}
		})
	}
}

// A single datagram is no train: what the kernel says of it concerns the datagram.
func TestSegmentSingle(t *testing.T) {
	c := native(t, Config{Addr: loop4})
	s := openSegmenter(t, c)
	c.send, _ = faulty(sendmmsg, step{err: unix.EINVAL})
	if err := s.Send(numbered(1, 100, 0), 100, c.LocalAddr()); err != nil || s.Reason() != "" {
		t.Errorf("Send = %v, reason %q", err, s.Reason())
	}
	if st := c.Stats(); st.SendErrors != (SendErrors{Other: 1}) {
		t.Errorf("counted %+v", st.SendErrors)
	}
}

func TestSegmentAllocations(t *testing.T) {
	from, to := native(t, Config{Addr: loop4}), native(t, Config{Addr: loop4})
	s := openSegmenter(t, from)
	m, err := NewMux([]Conn{to}, 64, 1280)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b, dest := numbered(10, 100, 0), to.LocalAddr()
	if n := testing.AllocsPerRun(200, func() {
		s.Send(b, 100, dest)
		for got := 0; got < 10; {
			_, rx, err := m.Next(time.Second)
			if err != nil || rx == nil {
				t.Fatal("nothing arrived: ", err)
			}
			got += rx.Len()
		}
	}); n != 0 {
		t.Errorf("%v allocations for a train", n)
	}
}
