package load

import (
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"
)

// defaultTicks are the units of /proc in a second, where the system does not tell.
const defaultTicks = 100

// clockTick is the unit of CPU times in /proc: AT_CLKTCK of the auxiliary vector, see getauxval(3).
func clockTick() time.Duration {
	const clktck = 17
	b, _ := os.ReadFile("/proc/self/auxv") // without it the default holds
	word := strconv.IntSize / 8
	for ; len(b) >= 2*word; b = b[2*word:] {
		if n := number(b[word : 2*word]); number(b[:word]) == clktck && n > 0 {
			return time.Second / time.Duration(n)
		}
	}
	return time.Second / defaultTicks
}

func number(b []byte) uint64 {
	if len(b) == 4 {
		return uint64(binary.NativeEndian.Uint32(b))
	}
	return binary.NativeEndian.Uint64(b)
}

var errProcStat = errors.New("unexpected form of its stat file")

// readProcess reads /proc/PID/stat, see proc_pid_stat(5). The second field is the program's name in
// parentheses, which may hold anything, so that fields count from the last parenthesis.
func readProcess(pid int, tick time.Duration) (p process, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return p, err
	}
	return parseProcess(string(b), tick)
}

func parseProcess(text string, tick time.Duration) (p process, err error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const third = 3 // number of the first of them
	var n [4]uint64
	for i, at := range []int{14, 15, 22, 24} { // utime, stime, starttime, rss
		if at-third >= len(fields) {
			return p, errProcStat
		}
		if n[i], err = strconv.ParseUint(fields[at-third], 10, 64); err != nil {
			return p, errProcStat
		}
	}
	p.user, p.system = time.Duration(n[0])*tick, time.Duration(n[1])*tick
	p.began, p.rss = n[2], n[3]*uint64(os.Getpagesize())
	return p, nil
}

// stealTime reads the eighth time of the first line of /proc/stat, see proc_stat(5).
func stealTime(tick time.Duration) (time.Duration, bool) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, false
	}
	n, err := strconv.ParseUint(fields[8], 10, 64)
	return time.Duration(n) * tick, err == nil
}
