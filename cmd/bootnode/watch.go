package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastdisc/discv5"
)

// healthInterval is how often it is looked whether all sockets work, and whether the log holds
// lines back that are due.
const healthInterval = time.Second

// watch saves at every interval and reports, until ctx ends or a socket fails.
func (d *daemon) watch(ctx context.Context, k *keeper) error {
	save, health := time.NewTicker(d.o.save), time.NewTicker(healthInterval)
	defer save.Stop()
	defer health.Stop()
	var status <-chan time.Time
	if d.o.status > 0 {
		t := time.NewTicker(d.o.status)
		defer t.Stop()
		status = t.C
	}
	// The record may change by what peers say. It has been saved by then: see SaveRecord in the
	// configuration.
	record := d.node.Subscribe(16, discv5.EventAddressChanged, discv5.EventAddressRevoked, discv5.EventAddressProven, discv5.EventAddressInDoubt)
	defer record.Close()
	changes, logged := record.C, uint64(0)
	report := newReporter(d.log, time.Now())
	statusEvery := defaultStatusInterval
	if w := d.manager.watchdog; w > 0 {
		statusEvery = min(statusEvery, w/3)
	}
	var told time.Time
	var failure error
	for ctx.Err() == nil && failure == nil {
		select {
		case <-ctx.Done():
		case e, ok := <-changes:
			if !ok { // the node has been closed
				changes = nil
				continue
			}
			logAddress(d.log, e, d.node.AddressState(e.Family))
			r := d.node.LocalRecord()
			if e.Kind != discv5.EventAddressChanged && e.Kind != discv5.EventAddressRevoked {
				continue
			}
			if r.Seq() == logged { // both families have changed at the same time
				continue
			}
			logged = r.Seq()
			d.log.Info("record changed", "seq", r.Seq(), "record", r)
		case now := <-save.C:
			if n, err := k.save(now, false); err != nil {
				d.log.Error("cannot save nodes", "err", oneLine(err))
			} else if n > 0 {
				d.log.Debug("saved nodes", "written", n)
			}
		case now := <-status:
			report.report(d.node.Stats(), now)
		case now := <-health.C:
			d.quiet.flush(now, false)
			if failure = d.node.Err(); failure == nil && now.Sub(told) >= statusEvery {
				told = now
				d.manager.alive(d.node.Stats())
			}
		}
	}
	d.manager.stopping()
	d.log.Info("stopping")
	n, err := k.save(time.Now(), true)
	if err != nil {
		err = fmt.Errorf("node database: %w", err)
	}
	err = errors.Join(failure, err, d.node.Close())
	if err == nil {
		d.log.Info("stopped", "saved", n)
	}
	return err
}
