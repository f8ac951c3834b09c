package main

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/limits"
)

// accessList is the bans and networks of the settings, as the node has them. check may be called at
// any time, the others from one goroutine at a time.
type accessList struct {
	*limits.Access
	rules []limits.Rule // in force
	bans  atomic.Int64  // their number
}

func newAccessList() *accessList { return &accessList{Access: limits.NewAccess(0)} }

// check tells whether rules and networks can be put in force.
func (*accessList) check(rules []limits.Rule, networks []netip.Prefix) error {
	return newAccessList().apply(0, rules, networks)
}

// apply puts rules and networks in force, in place of those from before, all or nothing if they
// pass check. now is time since the node was made. A ban that is in force with the same time is not
// prolonged.
func (a *accessList) apply(now time.Duration, rules []limits.Rule, networks []netip.Prefix) error {
	if err := a.Update(now, limits.Ban, a.rules, rules); err != nil {
		return fmt.Errorf("bans: %w", err)
	}
	a.rules = rules
	a.bans.Store(int64(len(rules)))
	if err := a.Restrict(networks); err != nil {
		return fmt.Errorf("networks: %w", err)
	}
	return nil
}
