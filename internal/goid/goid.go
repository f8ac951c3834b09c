// Package goid identifies goroutines. It serves one purpose: to report a callback of the program
// that would wait for itself, instead of waiting forever.
package goid

import "runtime"

// ID returns the number of the calling goroutine, which is unique while the process runs. It takes
// about a microsecond, because the runtime reveals the number only in the first line of a stack
// trace, "goroutine 18 [running]:". ID returns 0, which no goroutine has, if that line has another
// form.
func ID() (id uint64) {
	const prefix = "goroutine "
	var b [len(prefix) + 20]byte
	n := runtime.Stack(b[:], false)
	if n < len(prefix) || string(b[:len(prefix)]) != prefix {
		return 0
	}
	for _, c := range b[len(prefix):n] {
		if c < '0' || c > '9' {
			break
		}
		id = id*10 + uint64(c-'0')
	}
	return id
}
