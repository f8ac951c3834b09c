package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionLine is what --version prints.
func versionLine() string {
	version := "unknown"
	if b, ok := debug.ReadBuildInfo(); ok {
		version = b.Main.Version
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" && version == "(devel)" {
				version += " " + s.Value
			}
		}
	}
	return fmt.Sprintf("discv5 %s %s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
