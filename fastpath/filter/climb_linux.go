package filter

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"
)

const (
	// climbTime is the time between two attempts to return to a better mode, if no interface has
	// changed meanwhile.
	climbTime = time.Minute
	// climbPause is the least time between two attempts. Each loads programs.
	climbPause = 2 * time.Second
)

// climb returns to a better mode if that works by now: a program that was in the way may be gone,
// or an interface may have come. The present mode stays until then, and both are there for a
// moment. changed says that the interfaces may have changed. It is called with mu held.
func (f *Filter) climb(changed bool, now time.Time) {
	if f.closed || f.closing.Load() || f.mode >= f.first {
		return
	}
	f.changed = f.changed || changed
	since := now.Sub(f.climbed)
	if since < climbPause || !f.changed && since < climbTime {
		return
	}
	f.climbed, f.changed = now, false
	below := programs{f.device, f.devices, f.socket}
	var reasons []string
	for m := f.first; m > f.mode; m-- {
		f.device, f.devices, f.socket = nil, make(map[int]*device), nil
		err := f.enter(m)
		if err == nil {
			above := programs{f.device, f.devices, f.socket}
			f.device, f.devices, f.socket = below.device, below.devices, below.socket
			f.leave()
			f.device, f.devices, f.socket = above.device, above.devices, above.socket
			f.mode, f.reasons = m, reasons
			f.describe()
			return
		}
		f.leave()
		reasons = append(reasons, fmt.Sprintf("%v: %s", m, explain(err)))
	}
	f.device, f.devices, f.socket = below.device, below.devices, below.socket
}

// programs are those of one mode.
type programs struct {
	device  *ebpf.Program
	devices map[int]*device
	socket  *ebpf.Program
}
