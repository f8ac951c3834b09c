//go:build race

package discv5

const raceEnabled = true
