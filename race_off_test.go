//go:build !race

package discv5

const raceEnabled = false
