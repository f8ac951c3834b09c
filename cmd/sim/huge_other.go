//go:build !linux

package main

func reserve(uint64) {}
