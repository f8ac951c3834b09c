package crawlqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/enr"
)

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "2026-03-01_A": true, strings.Repeat("a", 32): true,
		"": false, strings.Repeat("a", 33): false, "a.b": false, "a b": false, "*": false, ">": false, "é": false, "a\n": false,
	} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Entries are verified: any member may have written them.
func TestParseEntry(t *testing.T) {
	keys := rand.NewChaCha8([32]byte{1})
	record := func() *enr.Record {
		key, err := enr.GenerateKey(keys)
		if err != nil {
			t.Fatal(err)
		}
		r, err := enr.NewBuilder().SetIP(netip.AddrFrom4([4]byte{127, 0, 0, 1})).SetUDP(1).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r, other := record(), record()
	e, _ := r.View().Enode()
	now := time.Now()
	for _, c := range []struct {
		name   string
		change func(*Entry)
		ok     bool
	}{
		{"answered", func(*Entry) {}, true},
		{"failed", func(e *Entry) { e.State = Failed }, true},
		{"failed without a record", func(x *Entry) { x.State, x.Node = Failed, e.String() }, true},
		{"a claim", func(e *Entry) { e.State, e.Node, e.At = Visiting, "", time.Time{} }, true},
		{"a clock that is ahead", func(e *Entry) { e.At = now.Add(maxSkew / 2) }, true},
		{"another node", func(e *Entry) { e.Node = other.String() }, false},
		{"another enode URL", func(x *Entry) { e, _ := other.View().Enode(); x.State, x.Node = Failed, e.String() }, false},
		{"an answer without a record", func(x *Entry) { x.Node = e.String() }, false},
		{"an enode URL without an address", func(x *Entry) {
			x.State, x.Node = Failed, strings.Replace(e.String(), "127.0.0.1", "localhost", 1)
		}, false},
		{"a bad signature", func(e *Entry) { e.Node = e.Node[:30] + "AAAA" + e.Node[34:] }, false},
		{"no node", func(e *Entry) { e.Node = "" }, false},
		{"an unknown state", func(e *Entry) { e.State = "gone" }, false},
		{"no state", func(e *Entry) { e.State = "" }, false},
		{"a negative round trip", func(e *Entry) { e.RTT = -1 }, false},
		{"a long round trip", func(e *Entry) { e.RTT = maxRTT + 1 }, false},
		{"no time", func(e *Entry) { e.At = time.Time{} }, false},
		{"the future", func(e *Entry) { e.At = now.Add(2 * maxSkew) }, false},
		{"a long name", func(e *Entry) { e.By = strings.Repeat("a", maxWorker+1) }, false},
		{"a long name in a claim", func(e *Entry) { e.State, e.By = Visiting, strings.Repeat("a", maxWorker+1) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := Entry{State: Answered, By: "a", Node: r.String(), At: now}
			c.change(&e)
			value, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := parseEntry(r.ID(), value, now); (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
	for _, junk := range []string{"", "x", "[]", `{"state":1}`, `{"state":"answered","rtt":1e999}`} {
		if _, _, err := parseEntry(r.ID(), []byte(junk), now); err == nil {
			t.Errorf("%q is an entry", junk)
		}
	}
}

// Calls are repeated as long as no server answers and the patience lasts, and no longer; the user
// is told.
func TestOutage(t *testing.T) {
	away := errors.New("away")
	for _, c := range []struct {
		name  string
		lasts time.Duration // of the outage
		err   error         // afterwards
		want  error
		notes string
	}{
		{"none", 0, nil, nil, ""},
		{"short", time.Second, nil, nil, ""},
		{"seconds", 15 * time.Second, nil, nil, "no server answers for 3s, retrying for 57s: away|no server answers for 13s, retrying for 47s: away|a server answers, the crawl continues|"},
		{"too long", time.Hour, nil, ErrLost, "no server answers for 3s, retrying for 57s: away|…"},
		{"an answer that is an error", 0, jetstream.ErrKeyExists, jetstream.ErrKeyExists, ""},
		{"full", 0, ErrFull, ErrFull, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				notes := ""
				q := &Queue{o: Options{Patience: time.Minute}}
				q.outage = outage{patience: time.Minute, note: func(format string, args ...any) {
					notes += strings.TrimPrefix(fmt.Sprintf(format, args...), "fleet: ") + "|"
				}}
				began := time.Now()
				err := q.do(context.Background(), func(context.Context) error {
					if time.Since(began) < c.lasts {
						return away
					}
					return c.err
				})
				if !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("%v, want %v", err, c.want)
				}
				if took := time.Since(began); took > min(c.lasts, time.Minute)+maxRetry {
					t.Errorf("this took %v", took)
				}
				if want, some := strings.CutSuffix(c.notes, "|…"); notes != want && (!some || !strings.HasPrefix(notes, want)) {
					t.Errorf("notes %q, want %q", notes, c.notes)
				}
			})
		})
	}

	// One call that always fails ends too, while others succeed.
	synctest.Test(t, func(t *testing.T) {
		q := &Queue{o: Options{Patience: time.Minute}, outage: outage{patience: time.Minute}}
		ctx, stop := context.WithCancel(context.Background())
		var others sync.WaitGroup
		defer others.Wait()
		others.Go(func() {
			for ctx.Err() == nil {
				_ = q.do(ctx, func(context.Context) error { return nil })
				time.Sleep(10 * time.Millisecond)
			}
		})
		if err := q.do(ctx, func(context.Context) error { return away }); !errors.Is(err, ErrLost) || !errors.Is(err, away) {
			t.Errorf("%v", err)
		}
		stop()
		if err := q.do(ctx, func(context.Context) error { return away }); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	})
}
