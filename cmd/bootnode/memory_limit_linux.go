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

// memoryLimit returns the memory limit of this process's control groups, in bytes, and the file
// that states it. It returns 0 if there is no limit.
func memoryLimit() (limit int64, from string) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, ""
	}
	return cgroupLimit(cgroupRoot, string(groups))
}

// cgroupLimit returns the smallest limit of the groups in a text with the form of
// /proc/self/cgroup, and of all groups above them. A line of version 2 begins with "0::"; in
// version 1 the line of the memory controller counts (cgroups(7)).
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
			// In a container the mounted root may be its own group, under another name.
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

// readLimit reads a number of bytes from a file. It returns 0 if there is no file or no limit:
// "max", or in version 1 a number near 1<<63.
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
