//go:build !linux

package load

import (
	"errors"
	"time"
)

var errNoProc = errors.New("the system has no /proc")

func clockTick() time.Duration { return 0 }

func readProcess(int, time.Duration) (process, error) { return process{}, errNoProc }

func stealTime(time.Duration) (time.Duration, bool) { return 0, false }
