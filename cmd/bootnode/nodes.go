package main

import (
	"slices"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/store"
)

const (
	// maxSeeds bounds the nodes of the store that a start begins with. They are contacted all at
	// once.
	maxSeeds = 128
	// seedTrial is after how long a seed that is not in the table has failed. It is contacted
	// several times until then.
	seedTrial = 2 * time.Minute
)

// keeper saves what a node knows, and how far the nodes can be counted on.
type keeper struct {
	node   *discv5.Node
	store  *store.Store
	epoch  time.Time // when the node was made: its times count from there
	trial  time.Time // when seeds that have not answered have failed; zero once that is done
	seeds  []discv5.Contact
	forget func([]enr.ID) error // takes failed seeds out of the bootnodes
	count  *counts

	address addressKeeper

	live map[enr.ID]struct{} // at the save before
}

// save writes what has changed, or all of it, and returns the number of nodes written.
func (k *keeper) save(now time.Time, all bool) (written int, err error) {
	defer func() {
		if k.store == nil { // nothing is saved, which is no success either
			return
		}
		if err == nil {
			k.count.saves.Add(1)
		} else {
			k.count.badSaves.Add(1)
		}
	}()
	if err := k.store.SaveLocal(k.node.LocalRecord()); err != nil {
		return 0, err
	}
	if err := k.address.save(k.store, k.node.ID(), k.node.AddressStates()); err != nil {
		return 0, err
	}
	var nodes []store.Entry
	present, live := make(map[enr.ID]struct{}), make(map[enr.ID]struct{})
	for n, s := range k.node.NodeTable().All() {
		present[n.ID] = struct{}{}
		if s.Live {
			live[n.ID] = struct{}{}
			nodes = append(nodes, store.Entry{ID: n.ID, Seq: n.Seq, Record: n.Record, Seen: k.epoch.Add(s.LastSeen)})
		}
	}
	if written, err = k.store.SaveNodes(nodes, all); err != nil {
		return written, err
	}
	return written, k.judge(now, present, live)
}

// judge counts failures: of nodes that were live at the save before and have left the table, and of
// seeds that have not answered. If nobody is live, or more have gone than are left, it may be this
// node that has no network, and nothing is counted.
func (k *keeper) judge(now time.Time, present, live map[enr.ID]struct{}) error {
	var failed []enr.ID
	for id := range k.live {
		if _, ok := present[id]; !ok {
			failed = append(failed, id)
		}
	}
	k.live = live
	if len(live) == 0 {
		return nil
	}
	if len(failed) > len(live) {
		failed = nil
	}
	if !k.trial.IsZero() && now.After(k.trial) {
		k.trial = time.Time{}
		var silent []enr.ID
		for _, c := range k.seeds {
			if _, ok := present[c.ID()]; !ok && !slices.Contains(failed, c.ID()) {
				silent = append(silent, c.ID())
			}
		}
		k.seeds = nil
		failed = append(failed, silent...)
		if len(silent) > 0 {
			if err := k.forget(silent); err != nil {
				return err
			}
		}
	}
	if len(failed) == 0 {
		return nil
	}
	_, err := k.store.Failed(failed)
	return err
}
