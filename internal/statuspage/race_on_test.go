//go:build race

package statuspage

// raceFactor makes tests shorter that the race detector slows.
const raceFactor = 20
