//go:build !race

package simnet

// raceEnabled tells whether the race detector is on, under which code runs ten times as long.
const raceEnabled = false
