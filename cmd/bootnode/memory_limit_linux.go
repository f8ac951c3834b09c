package main

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupRoot is where control groups are mounted.
const cgroupRoot = "/sys/fs/cgroup"

// memoryLimit returns the memory in bytes that the control groups of this process leave it, and
// where that is stated. It returns 0 if there is no limit.
func memoryLimit() (limit int64, from string) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, ""
	}
	return cgroupLimit(cgroupRoot, string(groups))
}

// cgroupLimit finds the smallest limit of the groups that are listed in the form of
// /proc/self/cgroup, and of all groups above them. Of version 2 the line begins with "0::"; of
// version 1 the line of the controller memory counts (cgroups(7)).
func cgroupLimit(root, groups string) (limit int64, from string) {
	for line := range strings.Lines(groups) {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		dirs, file := []string{root, filepath.Join(root, "unified")}, "memory.max"
		switch {
		case number == "0" && controllers == "":
		case strings.Contains(","+controllers+",", ",memory,"):
			dirs, file = []string{filepath.Join(root, "memory")}, "memory.limit_in_bytes"
		default:
			continue
		}
		for _, dir := range dirs {
			// A container may see its own group as the root of what is mounted, under another name.
			for g := path.Clean("/" + group); ; g = path.Dir(g) {
				name := filepath.Join(dir, g, file)
				if n := readLimit(name); n > 0 && (limit == 0 || n < limit) {
					limit, from = n, name
				}
				if g == "/" {
					break
				}
			}
		}
	}
	return limit, from
}

// readLimit reads a file with a number of bytes. It returns 0 if there is none, for "max", and for
// the number near 1<<63 that version 1 has for no limit.
func readLimit(name string) int64 {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n >= 1<<60 {
		return 0
	}
	return n
}
