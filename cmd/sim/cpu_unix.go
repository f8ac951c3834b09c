//go:build unix

package main

import (
	"runtime"
	"syscall"
	"time"
)

// cpuTime is the processor time that the program has taken, or 0 where it cannot be had. On a busy
// machine it says more than wall-clock time.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// maxMemory is the most memory that the program has had resident, in bytes, or 0 where it cannot be
// had.
func maxMemory() uint64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return uint64(u.Maxrss) // already bytes
	}
	return uint64(u.Maxrss) << 10
}
