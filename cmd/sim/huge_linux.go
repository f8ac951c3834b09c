package main

import (
	"runtime"
	"syscall"
)

// reserve has the first size bytes of the heap backed by huge pages, where the kernel lets programs
// ask for them: it takes that much address space, asks, and leaves it to the collector. Each
// datagram touches a few cache lines somewhere in the gigabytes of a swarm; with small pages much
// of the time goes into finding them.
func reserve(size uint64) {
	b := make([]byte, size)                       // not touched, it takes no memory
	_ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) // without them it is slower, and that is all
	runtime.KeepAlive(b)
	runtime.GC()
}
