//go:build race

package main

// With the race detector everything is slow.
const slowness = 10
