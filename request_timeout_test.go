package discv5

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/internal/virtual"
)

// WithTimeout bounds one request and no other one: a handler that takes long is waited for, a peer
// that does not answer is given up sooner, and requests without it keep the time of the Config.
func TestWithTimeout(t *testing.T) {
	const work = 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		_, a, b := wirePair(t, 20*time.Millisecond, nil)
		b.HandleTalk("slow", func(context.Context, TalkRequest) []byte {
			time.Sleep(work)
			return []byte("done")
		})
		// a session, so that timeouts are exact
		if _, err := a.Ping(t.Context(), contact(b)); err != nil {
			t.Fatal(err)
		}
		send := func(options ...RequestOption) ([]byte, error) {
			type end struct {
				answer []byte
				err    error
			}
			got := make(chan end, 1)
			if err := a.SendTalk(contact(b), "slow", nil, func(answer []byte, err error) { got <- end{answer, err} }, options...); err != nil {
				return nil, err
			}
			e := <-got
			return e.answer, e.err
		}
		talk := func(options ...RequestOption) ([]byte, error) {
			return a.Talk(t.Context(), contact(b), "slow", nil, options...)
		}
		for _, c := range []struct {
			name    string
			call    func(...RequestOption) ([]byte, error)
			options []RequestOption
			limit   time.Duration // 0: an answer comes
		}{
			{"Talk with the default", talk, nil, DefaultRequestTimeout},
			{"Talk that waits", talk, []RequestOption{WithTimeout(2 * work)}, 0},
			{"Talk that waits for an hour", talk, []RequestOption{WithTimeout(MaxRequestTimeout)}, 0},
			{"Talk in a hurry", talk, []RequestOption{WithTimeout(100 * time.Millisecond)}, 100 * time.Millisecond},
			{"Talk with 0", talk, []RequestOption{WithTimeout(0)}, DefaultRequestTimeout},
			{"the last option counts", talk, []RequestOption{WithTimeout(time.Minute), WithTimeout(200 * time.Millisecond)}, 200 * time.Millisecond},
			{"SendTalk with the default", send, nil, DefaultRequestTimeout},
			{"SendTalk that waits", send, []RequestOption{WithTimeout(2 * work)}, 0},
		} {
			start := time.Now()
			answer, err := c.call(c.options...)
			took := time.Since(start)
			switch {
			case c.limit == 0 && (err != nil || string(answer) != "done" || took < work || took > work+time.Second):
				t.Errorf("%s: %q, %v after %v", c.name, answer, err, took)
			case c.limit > 0 && (!errors.Is(err, ErrTimeout) || took < c.limit || took > c.limit+3*virtual.TickInterval):
				t.Errorf("%s: %v after %v, want %v", c.name, err, took, c.limit)
			}
			time.Sleep(2 * work)
		}
	})
}
