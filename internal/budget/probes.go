package budget

import "time"

const (
	// FirstPause is the time until a node ID may be probed a second time at one destination on
	// behalf of one namer. The pause doubles with each probe, up to MaxPause.
	FirstPause = 5 * time.Minute
	// MaxPause bounds that pause.
	MaxPause = 2 * time.Hour

	probeSets = 512 // of 8 entries each: 96 KiB
)

// probed holds time and number of the probes of one key.
type probed struct {
	key   uint64
	at    time.Duration
	times uint8
}

func (p *probed) pause() time.Duration { return min(FirstPause<<min(p.times-1, 8), MaxPause) }

// probeTable stores sent probes.
type probeTable struct{ sets [probeSets][ways]probed }

// look returns the entry of key, or the one to overwrite. It returns ok = false if it is too early
// for another probe.
func (t *probeTable) look(now time.Duration, key uint64) (e *probed, ok bool) {
	set := &t.sets[key%probeSets]
	oldest := &set[0]
	for i := range set {
		e := &set[i]
		if e.times > 0 && e.key == key {
			return e, now-e.at >= e.pause()
		}
		if e.times == 0 || oldest.times > 0 && e.at < oldest.at {
			oldest = e
		}
	}
	return oldest, true
}

// charge records a probe of key at the entry that look returned.
func (t *probeTable) charge(now time.Duration, e *probed, key uint64) {
	if e.key != key || e.times == 0 || now-e.at > 2*MaxPause {
		*e = probed{key: key}
	}
	e.at = now
	e.times = min(e.times+1, 16)
}
