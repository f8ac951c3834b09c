package load

import (
	"errors"
	"fmt"
	"time"
)

// ErrProcess: a process cannot be measured.
var ErrProcess = errors.New("process cannot be measured")

// Usage is what processes and machine took. Times are CPU time, summed over all processors.
type Usage struct {
	// Own is this process: the generator, and whatever else runs in it.
	OwnUser, OwnSystem time.Duration
	// Target is the process that Plan.PID names. RSS is its resident memory in bytes.
	TargetUser, TargetSystem time.Duration
	TargetRSS                uint64
	TargetKnown              bool
	// Steal is how long other virtual machines had the processors of this one. It is known on
	// Linux.
	Steal      time.Duration
	StealKnown bool
}

// since is what was used between two readings: memory stays as it is.
func (u Usage) since(o Usage) Usage {
	u.OwnUser -= o.OwnUser
	u.OwnSystem -= o.OwnSystem
	u.TargetUser -= o.TargetUser
	u.TargetSystem -= o.TargetSystem
	u.Steal -= o.Steal
	u.TargetKnown = u.TargetKnown && o.TargetKnown
	u.StealKnown = u.StealKnown && o.StealKnown
	if !u.TargetKnown {
		u.TargetUser, u.TargetSystem, u.TargetRSS = 0, 0, 0
	}
	return u
}

// Meter reads the usage of a process and of the machine. It is for one goroutine.
type Meter struct {
	pid int
	// when the process was started, in the system's own unit; tells it from a later one of the same
	// number
	began uint64
	tick  time.Duration
	gone  bool
}

// NewMeter returns a Meter for a process, or for none if pid is 0. The error wraps ErrProcess;
// processes other than the own one can be measured on Linux only, through /proc.
func NewMeter(pid int) (*Meter, error) {
	m := &Meter{pid: pid, tick: clockTick()}
	if pid == 0 {
		return m, nil
	}
	p, err := readProcess(pid, m.tick)
	if err != nil {
		return nil, fmt.Errorf("%w: %d: %w", ErrProcess, pid, err)
	}
	m.began = p.began
	return m, nil
}

// Read returns the current counters. All of them only rise, except TargetRSS.
func (m *Meter) Read() (u Usage) {
	u.OwnUser, u.OwnSystem = ownUsage()
	u.Steal, u.StealKnown = stealTime(m.tick)
	if m.pid == 0 || m.gone {
		return u
	}
	p, err := readProcess(m.pid, m.tick)
	if err != nil || p.began != m.began {
		m.gone = true
		return u
	}
	u.TargetKnown = true
	u.TargetUser, u.TargetSystem, u.TargetRSS = p.user, p.system, p.rss
	return u
}

// Gone reports whether the process had ended when Read last looked.
func (m *Meter) Gone() bool { return m.gone }

// process holds the system's figures of a process.
type process struct {
	user, system time.Duration
	rss          uint64
	began        uint64
}
