package xdp

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/hostaddr"
)

const (
	checkInterval = time.Second
	changePause   = 50 * time.Millisecond // between two looks at changes that the kernel reports
	retryMin      = time.Second
	retryMax      = 30 * time.Second
)

// run checks the interface every second, and when the kernel reports a change, until close.
func (d *device) run() {
	defer d.stopped.Done()
	changes := make(chan struct{}, 1)
	d.stopped.Add(1)
	go func() {
		defer d.stopped.Done()
		for {
			err := d.addrs.Wait(time.Time{})
			if errors.Is(err, os.ErrClosed) {
				return
			}
			select {
			case changes <- struct{}{}:
			default:
			}
			select {
			case <-d.stop:
				return
			case <-time.After(changePause):
			}
		}
	}()
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		case <-changes:
		}
		d.check(time.Now())
		d.checkPaths(time.Now())
	}
}

// check follows the interface: it falls back to the sockets of the system if it must, and returns
// when it can.
func (d *device) check(now time.Time) {
	l, err := d.addrs.Link(d.Name)
	if errors.Is(err, os.ErrClosed) {
		return
	}
	if err == nil {
		err = usableLink(d.Name, l)
	}
	switch {
	case errors.Is(err, hostaddr.ErrNoLink):
		err = errors.New("the interface is gone")
	case err == nil && !l.Up:
		err = errors.New("the interface is down")
	case err == nil && d.link != nil && l.Index != d.index:
		err = errors.New("the interface has been replaced")
	}
	if err != nil {
		d.fall(cause(err), time.Time{})
		return
	}
	if d.link == nil {
		d.index = l.Index
	}
	if list, err := d.addrs.Addrs(); err == nil {
		d.host.Store(newHost(l, addressesOf(list, l.Index)))
		d.follow()
	}
	if d.link != nil {
		d.checkAttached(now)
	}
	if d.link == nil && !now.Before(d.retryAt) {
		d.rise(now)
	}
	d.update(func(s *fastpath.Acceleration) {
		s.Queues = receiveQueues(d.Name, l)
		s.Served = 0
		if d.link != nil {
			s.Served = len(d.conns)
		}
	})
}

// checkAttached looks for what ends the service without a change of the interface.
func (d *device) checkAttached(now time.Time) {
	if info, err := d.link.Info(); err == nil {
		if x, ok := linkIndex(info); ok && x == 0 {
			d.fall("the program has been removed from the interface", now.Add(d.pause()))
			return
		}
	}
	for _, c := range d.conns {
		if err := c.broken(); err != nil {
			d.fall(fmt.Sprintf("queue %d cannot send: %v", c.queue, err), now.Add(d.pause()))
			return
		}
	}
}

// linkIndex returns the interface that a link is on, 0 for none.
func linkIndex(i *link.Info) (index uint32, ok bool) {
	x := i.XDP()
	if x == nil {
		return 0, false
	}
	return x.Ifindex, true
}

// pause returns the time to the next attempt to attach.
func (d *device) pause() time.Duration {
	d.failures++
	return min(retryMax, retryMin<<min(d.failures-1, 8))
}

// rise attaches the program.
func (d *device) rise(now time.Time) {
	before := d.acceleration()
	mode, why, err := d.attach(d.index)
	if err != nil {
		d.retryAt = now.Add(d.pause())
		d.detach()
		reason := reasonOf(err)
		if d.options.Logger != nil && before.Reason != "" && before.Reason != reason {
			d.options.Logger.Warn("AF_XDP stays off: the sockets of the system serve the node", "interface", d.Name, "reason", reason)
		}
		d.update(func(s *fastpath.Acceleration) { s.Reason = reason })
		return
	}
	d.failures = 0
	d.update(func(s *fastpath.Acceleration) {
		s.Mode, s.Reason, s.Served = mode.String(), why, len(d.conns)
		s.AnswersReason = d.table.why(now)
		s.Changes++
	})
	if d.options.Logger != nil && before.Reason != "" {
		d.options.Logger.Info("AF_XDP receives for the node", "interface", d.Name, "mode", mode.String(), "bypassed", Bypassed)
	}
}

// reasonOf returns why the program could not be attached, without the steps.
func reasonOf(err error) string {
	if c := cause(err); c != err.Error() {
		return fmt.Sprintf("%s: %s", firstStep(err), c)
	}
	return err.Error()
}

// firstStep returns the text of an error before the first colon.
func firstStep(err error) string {
	s := err.Error()
	for i := range s {
		if s[i] == ':' {
			return s[:i]
		}
	}
	return s
}

// fall leaves everything to the sockets of the system, until the given time at least.
func (d *device) fall(why string, until time.Time) {
	was := d.link != nil
	d.detach()
	d.retryAt = until
	if s := d.acceleration(); !was && s.Reason == why {
		return
	}
	d.update(func(s *fastpath.Acceleration) {
		s.Mode, s.Reason, s.Served, s.AnswersReason = "", why, 0, ""
		if was {
			s.Changes++
		}
	})
	if d.options.Logger != nil && was {
		d.options.Logger.Warn("AF_XDP is off: the sockets of the system serve the node", "interface", d.Name, "reason", why)
	}
}

// update changes the state.
func (d *device) update(change func(*fastpath.Acceleration)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.state)
}

// checkPaths checks return paths: one of each queue, and those of neighbors that are not proven.
func (d *device) checkPaths(now time.Time) {
	if d.link == nil {
		return
	}
	changed := false
	one := func(p path) {
		v, why := checkPath(d.addrs, d.index, p)
		changed = d.table.note(p.sender, v, why, now) || changed
	}
	for _, c := range d.conns {
		c.mu.Lock()
		s := c.samples
		c.samples = samples{}
		c.mu.Unlock()
		if s.last.sender != 0 {
			one(s.last)
		}
		for _, p := range s.suspects[:s.n] {
			one(p)
		}
	}
	if changed {
		d.paths.Store(d.table.publish())
	}
	why := d.table.why(now)
	before := d.acceleration().AnswersReason
	if why == before {
		return
	}
	d.update(func(s *fastpath.Acceleration) { s.AnswersReason = why })
	if d.options.Logger == nil {
		return
	}
	if why == "" {
		d.options.Logger.Info("answers leave through AF_XDP", "interface", d.Name)
	} else {
		d.options.Logger.Warn("answers leave through the sockets of the system", "interface", d.Name, "reason", why)
	}
}
