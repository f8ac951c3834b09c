// Package version says which build a command is of.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Line is what a command prints for --version: its name, the version of this module, with the
// revision where the go command has built it from a checkout, the version of Go, and the platform.
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
