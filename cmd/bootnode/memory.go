package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/fastdisc/discv5"
)

// Shares of a memory limit. A control group counts the heap, and what is in the buffers of sockets.
const (
	mebibyte = 1 << 20

	memoryBase    = 24 * mebibyte // the process without sessions and without socket buffers
	sessionBytes  = 1536          // a session with its part of the index
	sessionSpread = 4             // hashing is uneven: a quarter more may be held
	// Go's collector lets a heap grow until it is twice what is in use
	heapGrowth = 2

	leastSessions = 1024
	leastBuffer   = 128 << 10 // bytes

	bufferShare = 8 // an eighth of the limit is for the buffers of all sockets
	goShare     = 0.9
)

// memoryPlan is how large the parts of a node become under a memory limit.
type memoryPlan struct {
	sessions   int
	recvBuffer int   // bytes for each socket; 0 leaves the default
	sendBuffer int   // the same
	goLimit    int64 // for debug.SetMemoryLimit; 0 for none
}

// planMemory fits the defaults into a limit in bytes, for a number of sockets. Without a limit, 0,
// they are as they are. What the user set stays.
func planMemory(limit int64, sockets int, o *options) memoryPlan {
	p := memoryPlan{sessions: o.sessions}
	if limit <= 0 {
		return p
	}
	// The kernel reserves twice what is asked for.
	buffer := int(min(limit/bufferShare/2/int64(max(sockets, 1)), math.MaxInt32))
	p.recvBuffer = min(max(buffer*3/4, leastBuffer), discv5.DefaultRecvBuffer)
	p.sendBuffer = min(max(buffer/4, leastBuffer), discv5.DefaultSendBuffer)
	rest := limit - int64(sockets)*int64(2*(p.recvBuffer+p.sendBuffer))
	if o.origin["maxsessions"] == "" {
		room := (rest - memoryBase) / heapGrowth / sessionBytes * sessionSpread / (sessionSpread + 1)
		p.sessions = int(min(max(room, leastSessions), defaultMaxSessions))
	}
	p.goLimit = int64(goShare * float64(rest))
	return p
}

// fitMemory plans for the limit of this process, and has Go's collector keep to it unless
// GOMEMLIMIT says otherwise.
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
	d.memory = []any{"limit", limit, "from", from, "maxsessions", p.sessions, "recv_buffer", p.recvBuffer, "go_limit", p.goLimit}
	need := memoryBase + int64(p.sessions)*sessionBytes
	if need > limit {
		d.warnings = append(d.warnings, "--maxsessions takes more memory than the control group of this process has: it may be killed")
	}
	return p
}
