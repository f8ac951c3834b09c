//go:build !race

package simnet

// raceEnabled tells whether the race detector is on, under which all of this runs ten times as
// long. One goroutine does it all.
const raceEnabled = false
