//go:build race

package statuspage

// raceFactor is how many times slower code runs with the race detector.
const raceFactor = 20
