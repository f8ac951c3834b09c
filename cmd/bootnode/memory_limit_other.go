//go:build !linux

package main

// memoryLimit returns 0: this system has no control groups.
func memoryLimit() (limit int64, from string) { return 0, "" }
