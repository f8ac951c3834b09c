package results

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Here describes this machine. A run can use the given number of its CPUs.
func Here(cpus int) Machine {
	return Machine{
		CPU: cpuModel(), CPUs: cpus, Memory: MemInfo("MemTotal:"), Kernel: kernel(), Go: runtime.Version(),
		System: runtime.GOOS + "/" + runtime.GOARCH, Load: LoadAverage(),
	}
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

// LoadAverage is that of five minutes. 0 if it cannot be read.
func LoadAverage() (load float64) {
	text, _ := os.ReadFile("/proc/loadavg")
	var one float64
	fmt.Sscan(string(text), &one, &load)
	return load
}

func kernel() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

// MemInfo reads a line of /proc/meminfo, in MiB. 0 if it is not there.
func MemInfo(name string) int {
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		var kib int
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			fmt.Sscan(f[1], &kib)
			return kib >> 10
		}
	}
	return 0
}
