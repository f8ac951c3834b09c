package engine

import (
	"path"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// threadCPU is the CPU time of the calling thread. Getrusage would be as of the last tick.
func threadCPU(b *testing.B) time.Duration {
	b.Helper()
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// lane is a stage with its figures, one for each round.
type lane struct {
	f     *benchEngine
	pass  time.Duration
	list  []request
	base  *lane
	nanos []float64 // CPU time for a datagram
	ratio []float64 // to that of base in the same round
}

// turn gives the engine its requests, and measures all turns but the first, which fetches what the
// stages before have driven out of the caches.
func (l *lane) turn(b *testing.B) {
	const turns = 4
	var took time.Duration
	for i := range turns {
		start := threadCPU(b)
		l.f.give(l.list, 0, len(l.list))
		if i > 0 {
			took += threadCPU(b) - start
		}
		l.f.now += l.pass
	}
	l.nanos = append(l.nanos, float64(took)/float64((turns-1)*len(l.list)))
	l.ratio = append(l.ratio, l.nanos[len(l.nanos)-1]/l.base.nanos[len(l.nanos)-1])
}

// BenchmarkTopicRounds measures the stages of BenchmarkTopics in turn, round by round, so that what
// else the machine does meets all alike. It reports medians over the rounds: CPU time of a
// datagram, and its ratio to that of a PING of the same round, or for TOPICQUERY of a FINDNODE. An
// operation is a round: take 100 or more, with -benchtime 100x.
func BenchmarkTopicRounds(b *testing.B) {
	lanes, named := make([]*lane, len(topicStages)), map[string]*lane{}
	for i := range topicStages {
		c := &topicStages[i]
		l := &lane{pass: c.pass}
		l.f, l.list = c.engine(b)
		lanes[i], named[c.name] = l, l
		l.base = named["ping"]
		if c.counter == OutNodes || c.counter == OutTopicNodes {
			l.base = named["findnode"]
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	runtime.GC()
	b.ResetTimer()
	for range b.N {
		for _, l := range lanes {
			l.turn(b)
		}
	}
	b.StopTimer()
	for i, l := range lanes {
		slices.Sort(l.nanos)
		slices.Sort(l.ratio)
		name := path.Base(topicStages[i].name)
		b.ReportMetric(l.nanos[len(l.nanos)/2], name+"-ns")
		if l.base != l {
			b.ReportMetric(l.ratio[len(l.ratio)/4], name+"-low")
			b.ReportMetric(l.ratio[len(l.ratio)/2], name+"-ratio")
			b.ReportMetric(l.ratio[len(l.ratio)*3/4], name+"-high")
		}
	}
}
