package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/fastdisc/discv5"
)

// Parts of a memory limit. A control group counts the heap and the data in socket buffers.
const (
	mebibyte = 1 << 20

	memoryBase    = 24 * mebibyte // the process without sessions and socket buffers
	sessionBytes  = 1536          // a session with its part of the index
	sessionSpread = 4             // hashing is uneven: the index may hold a quarter more
	// heapGrowth is the size of a heap just before a collection, as a multiple of the live data.
	heapGrowth = 2

	adBytes = 512 // an ad that a registrar of topics stores

	leastSessions = 1024
	leastBuffer   = 128 << 10 // bytes

	bufferPart = 8 // one part in 8 of the limit is for the buffers of all sockets
	goFraction = 0.9
)

// memoryPlan holds the sizes of a node's parts under a memory limit.
type memoryPlan struct {
	sessions   int
	recvBuffer int   // bytes for each socket; 0 for the default
	sendBuffer int   // bytes for each socket; 0 for the default
	goLimit    int64 // bytes for debug.SetMemoryLimit; 0 for none
}

// planMemory fits the defaults into a limit in bytes, for a number of sockets. It changes nothing
// if the limit is 0, and never what the user has set.
func planMemory(limit int64, sockets int, o *options) memoryPlan {
	p := memoryPlan{sessions: o.sessions}
	if limit <= 0 {
		return p
	}
	// The kernel reserves twice the size that we ask for.
	buffer := int(min(limit/bufferPart/2/int64(max(sockets, 1)), math.MaxInt32))
	p.recvBuffer = min(max(buffer*3/4, leastBuffer), discv5.DefaultRecvBuffer)
	p.sendBuffer = min(max(buffer/4, leastBuffer), discv5.DefaultSendBuffer)
	rest := limit - int64(sockets)*int64(2*(p.recvBuffer+p.sendBuffer))
	if o.origin["max-sessions"] == "" {
		fit := (rest - memoryBase - heapGrowth*adMemory(o)) / heapGrowth / sessionBytes * sessionSpread / (sessionSpread + 1)
		p.sessions = int(min(max(fit, leastSessions), defaultMaxSessions))
	}
	p.goLimit = int64(goFraction * float64(rest))
	return p
}

// adMemory returns the memory of a registrar with all its ads, in bytes.
func adMemory(o *options) int64 {
	if !o.topics {
		return 0
	}
	return int64(o.topicsCapacity) * adBytes
}

// fitMemory plans for the memory limit of this process. It sets the limit of Go's garbage collector
// unless GOMEMLIMIT is set.
func (d *daemon) fitMemory() memoryPlan {
	var limit int64
	var from string
	if d.system.memory != nil {
		limit, from = d.system.memory()
	}
	sockets := d.o.sockets
	if sockets <= 0 {
		sockets = runtime.GOMAXPROCS(0)
	}
	p := planMemory(limit, sockets*(len(d.o.listen)+len(d.o.optional6)), d.o)
	if limit <= 0 {
		return p
	}
	if os.Getenv("GOMEMLIMIT") == "" && p.goLimit > 0 {
		debug.SetMemoryLimit(p.goLimit)
	}
	d.memory = []any{"limit", limit, "from", from, "max_sessions", p.sessions, "recv_buffer", p.recvBuffer, "go_limit", p.goLimit}
	need := memoryBase + int64(p.sessions)*sessionBytes + adMemory(d.o)
	if need > limit {
		d.warnings = append(d.warnings, "--max-sessions and --topics-capacity need more memory than the control group of this process has: the kernel may kill it")
	}
	return p
}
