// Package version describes the build of a program.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Line returns the line that a command prints for --version: its name, the version of this module,
// the version of Go, and the platform. If the go command has built the program from a checkout, the
// version includes the revision.
func Line(command string) string {
	version := "unknown"
	if b, ok := debug.ReadBuildInfo(); ok {
		version = b.Main.Version
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" && version == "(devel)" {
				version += " " + s.Value
			}
		}
	}
	return fmt.Sprintf("%s %s %s %s/%s", command, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
