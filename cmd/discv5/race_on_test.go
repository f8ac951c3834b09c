//go:build race

package main

// With the race detector everything takes its time.
const slowness = 10
