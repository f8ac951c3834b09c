package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A storm of the same line is a few lines, then one in each interval, with a count that adds up.
func TestQuietStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		q := newQuiet(slog.NewTextHandler(&out, nil), 10*time.Second)
		log := slog.New(q).With("part", "socket")
		const perSecond, seconds = 100, 60
		for range seconds {
			for range perSecond {
				log.Error("send failed", "err", "no buffers")
			}
			time.Sleep(time.Second)
			q.flush(time.Now(), false)
		}
		q.flush(time.Now(), true)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) > quietBurst+seconds/10+1 {
			t.Errorf("%d lines", len(lines))
		}
		sum := 0
		for _, l := range lines {
			n := 1
			if _, rest, ok := strings.Cut(l, "repeated="); ok {
				fmt.Sscan(rest, &n)
			}
			sum += n
			if !strings.Contains(l, "part=socket") || !strings.Contains(l, "no buffers") {
				t.Errorf("line %q", l)
			}
		}
		if sum != perSecond*seconds {
			t.Errorf("the lines stand for %d, want %d", sum, perSecond*seconds)
		}
		if n := q.suppressed(); n != uint64(perSecond*seconds-len(lines)) {
			t.Errorf("%d lines suppressed, %d written of %d", n, len(lines), perSecond*seconds)
		}

		// After a silence the first lines come at once again.
		out.Reset()
		time.Sleep(11 * time.Second)
		log.Error("send failed", "err", "refused")
		if got := out.String(); !strings.Contains(got, "refused") || strings.Contains(got, "repeated") {
			t.Errorf("after a silence: %q", got)
		}
	})
}

// Different lines, and those of a slow drip, all pass. Nothing is written that is below the level.
func TestQuietLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		q := newQuiet(slog.NewTextHandler(&out, nil), 10*time.Second)
		log := slog.New(q)
		for i := range 16 { // as many as there may be addresses
			log.Info("listening", "addr", i)
		}
		for range 5 {
			log.Warn("slow")
			time.Sleep(10 * time.Second)
		}
		log.Debug("never")
		if n := strings.Count(out.String(), "\n"); n != 21 || q.suppressed() != 0 {
			t.Errorf("%d lines, %d suppressed:\n%s", n, q.suppressed(), out.String())
		}
	})
}

// Messages without end take neither memory nor lines without end.
func TestQuietIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		q := newQuiet(slog.NewTextHandler(&out, nil), 10*time.Second)
		log := slog.New(q)
		for i := range 100 * quietKinds {
			log.Error(fmt.Sprint("message ", i))
		}
		if n := len(q.state.kinds); n > quietKinds+1 {
			t.Errorf("%d kinds are kept", n)
		}
		if n := strings.Count(out.String(), "\n"); n > quietKinds+quietBurst {
			t.Errorf("%d lines", n)
		}
		time.Sleep(time.Minute)
		q.flush(time.Now(), false)
		out.Reset()
		time.Sleep(time.Minute)
		log.Error("fresh") // kinds that were silent have made room
		if !strings.Contains(out.String(), "fresh") || len(q.state.kinds) > 2 {
			t.Errorf("%q with %d kinds", out.String(), len(q.state.kinds))
		}
	})
}

// Several goroutines may log. No line is lost or counted twice.
func TestQuietConcurrent(t *testing.T) {
	var out buffer
	q := newQuiet(slog.NewTextHandler(&out, nil), time.Millisecond)
	log := slog.New(q)
	const workers, lines = 8, 500
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range lines {
				log.Error("storm")
			}
		})
		wg.Go(func() {
			for range 50 {
				q.flush(time.Now(), false)
			}
		})
	}
	wg.Wait()
	q.flush(time.Now(), true)
	sum := 0
	for l := range strings.Lines(out.String()) {
		n := 1
		if _, rest, ok := strings.Cut(l, "repeated="); ok {
			fmt.Sscan(rest, &n)
		}
		sum += n
	}
	if sum != workers*lines {
		t.Errorf("the lines stand for %d, want %d", sum, workers*lines)
	}
}
