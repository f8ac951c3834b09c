package discv5

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/hostaddr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

const (
	// settleTime is how long the machine's addresses must stay the same before the record follows
	// them. settleMax bounds the wait while they keep changing.
	settleTime = 500 * time.Millisecond
	settleMax  = 3 * time.Second
	// goneTime is how long the record keeps an address that the machine has lost, if only a
	// loopback address could replace it. An interface that comes back in the meantime costs no new
	// record.
	goneTime = 10 * time.Second
	// followPoll is the time between two checks of the machine's addresses while the system reports
	// no change. Votes may have replaced an address that the machine has changed meanwhile.
	followPoll = 5 * time.Minute
	// followPause is the shortest time between two records that follow the machine's addresses.
	followPause = 2 * time.Second
)

// follower keeps the endpoints of the record that stand for a wildcard in step with the addresses
// of the machine. It does not change endpoints from Config.Advertise, SetEndpoint or votes.
type follower struct {
	n     *Node
	addrs *hostaddr.Reader // nil: no wildcard, or the system cannot tell
	wild  [2]bool          // the node listens on all addresses, by family
	kick  chan struct{}

	systemMu sync.Mutex
	changes  int // that were reported

	mu sync.Mutex // held during a change of the record
	// own are the last endpoints that the machine's addresses put into the record, by family. Any
	// other endpoint in the record is the choice of the program or of peers.
	own  [2]netip.AddrPort
	gone [2]time.Time // since when own is not there any more; zero if it is
}

// init begins to watch the machine's addresses if the record depends on them. The reader belongs to
// the network namespace of the calling thread, as the sockets do.
func (f *follower) init(n *Node) {
	f.n, f.kick = n, make(chan struct{}, 1)
	if n.cfg.NoEndpoint {
		return
	}
	for _, g := range n.groups {
		if a := g.Addr().Addr(); a.IsUnspecified() && g.Info().Path != fastpath.PathOther {
			f.wild[netaddr.FamilyOf(a)] = true
		}
	}
	if f.wild != [2]bool{} {
		f.addrs, _ = hostaddr.Open() // without it, the record names no address of an interface
	}
}

func (f *follower) active() bool { return f.addrs != nil }

func (f *follower) close() {
	if f.addrs != nil {
		f.addrs.Close()
	}
}

// choose returns the endpoints of the record for the current addresses of the machine.
func (f *follower) choose() (advertised, error) {
	return chooseEndpoints(&f.n.cfg, f.n.Addrs(), func(family Family) netip.Addr {
		if f.addrs == nil {
			return netip.Addr{}
		}
		return hostaddr.Choose(f.addrs, family)
	})
}

// run follows the machine's addresses until the node is closed.
func (f *follower) run() {
	changes := make(chan struct{}, 1)
	f.n.wg.Go(func() {
		for {
			if err := f.addrs.Wait(time.Time{}); errors.Is(err, os.ErrClosed) {
				return
			} else if err != nil {
				// a netlink socket that keeps failing must not keep a processor busy
				time.Sleep(settleTime)
			}
			f.stale()
			select {
			case changes <- struct{}{}:
			default:
			}
			// A host with many routes reports many changes: check a few times a second.
			select {
			case <-f.n.closing:
				return
			case <-time.After(settleTime / 2):
			}
		}
	})
	timer := time.NewTimer(0) // what has changed since New
	defer timer.Stop()
	var since time.Time // of the first change that has not been followed
	for {
		select {
		case <-f.n.closing:
			return
		case <-changes:
			if since.IsZero() {
				since = time.Now()
			}
			timer.Reset(min(settleTime, max(0, settleMax-time.Since(since))))
			continue
		case <-f.kick:
		case <-timer.C:
		}
		since = time.Time{}
		changed, wait := f.update(time.Now())
		f.setSystemAddr()
		if changed {
			select {
			case <-f.n.closing:
				return
			case <-time.After(followPause):
			}
		}
		timer.Reset(wait)
	}
}

// stale revokes setSystemAddr: something has changed.
func (f *follower) stale() {
	f.systemMu.Lock()
	defer f.systemMu.Unlock()
	f.changes++
	for _, g := range f.n.groups {
		g.SetSystemAddr(netip.Addr{})
	}
}

// setSystemAddr tells the sockets which address the system sends from by default, if that is known
// and does not change meanwhile.
func (f *follower) setSystemAddr() {
	f.systemMu.Lock()
	before := f.changes
	f.systemMu.Unlock()
	only := [2]netip.Addr{hostaddr.OnlyAddr(f.addrs, IPv4), hostaddr.OnlyAddr(f.addrs, IPv6)}
	f.systemMu.Lock()
	defer f.systemMu.Unlock()
	if f.changes != before {
		return
	}
	for _, g := range f.n.groups {
		g.SetSystemAddr(only[netaddr.FamilyOf(g.Addr().Addr())])
	}
}

// update brings the record in step with the machine's addresses. wait is the time until the next
// check if the system reports no change.
func (f *follower) update(now time.Time) (changed bool, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	wait = followPoll
	chosen, err := f.choose()
	if err != nil {
		return false, wait
	}
	next, due := f.next(f.n.LocalRecord(), chosen, now)
	for i := range due {
		if due[i] > 0 {
			wait = min(wait, due[i])
		}
	}
	for i, end := range chosen.end {
		if f.wild[i] {
			f.n.engine.SetInterface(Family(i), end)
		}
	}
	v4, v6 := endpoints(f.n.LocalRecord())
	before := [2]netip.AddrPort{v4, v6}
	if next == before {
		return false, wait
	}
	err = f.n.UpdateRecord(func(b *enr.Builder) {
		// Votes may have changed the record meanwhile.
		next, _ = f.next(f.n.LocalRecord(), chosen, now)
		for i := range next {
			setEndpoint(b, Family(i), next[i])
		}
	})
	if err != nil {
		return false, goneTime // the record could not be saved: retry
	}
	for i := range next {
		if next[i] == before[i] {
			continue
		}
		f.own[i], f.gone[i] = chosen.end[i], time.Time{}
		kind := engine.AddressChanged
		if !next[i].IsValid() {
			kind = engine.AddressRevoked
		}
		f.n.publish(engine.Event{Kind: kind, ID: f.n.ID(), Addr: next[i], Record: f.n.LocalRecord(), Family: Family(i)})
	}
	return true, wait
}

// loopbackReach is the number of machines that can reach a loopback address.
var loopbackReach = reach(netip.IPv6Loopback())

// next returns the endpoints that replace those of r, and for each family how long a lost one may
// stay.
func (f *follower) next(r *enr.Record, chosen advertised, now time.Time) (end [2]netip.AddrPort, due [2]time.Duration) {
	v4, v6 := endpoints(r)
	end = [2]netip.AddrPort{v4, v6}
	mine := [2]bool{}
	for i := range end {
		c := chosen.end[i]
		switch {
		case chosen.fixed[i] || f.n.engine.AddressPinned(Family(i)) || !f.wild[i]:
			continue
		case c.IsValid() && end[i] == c:
			f.own[i], f.gone[i], mine[i] = c, time.Time{}, true
		case end[i].IsValid() && end[i] != f.own[i], // not our choice
			!end[i].IsValid() && c == f.own[i]: // removed by the program or by votes
			continue
		case c.IsValid() && (!end[i].IsValid() || reach(c.Addr()) > loopbackReach || reach(end[i].Addr()) <= loopbackReach):
			f.gone[i] = time.Time{}
			end[i], mine[i] = c, true
		case end[i].IsValid():
			mine[i] = true
			if f.gone[i].IsZero() {
				f.gone[i] = now
			}
			if due[i] = goneTime - now.Sub(f.gone[i]); due[i] <= 0 {
				end[i], due[i] = c, 0 // a loopback address or none, as at the start
			}
		}
	}
	restricted := advertised{end: end, fixed: [2]bool{!mine[0], !mine[1]}}
	restricted.restrict()
	for i, e := range restricted.end {
		if !e.IsValid() {
			due[i] = 0
		}
	}
	return restricted.end, due
}

// setEndpoint sets or removes the endpoint of a family in the record that b builds.
func setEndpoint(b *enr.Builder, family Family, a netip.AddrPort) {
	switch {
	case family == IPv4 && a.IsValid():
		b.SetIP(a.Addr()).SetUDP(a.Port())
	case family == IPv4:
		b.Delete("ip").Delete("udp")
	case a.IsValid():
		b.SetIP(a.Addr()).SetUDP6(a.Port())
	default:
		b.Delete("ip6").Delete("udp6")
	}
}

// RefreshAddresses reads the addresses of the machine and updates the record, as the node does when
// the system reports a change. It does not wait for the result. Endpoints from Config.Advertise,
// SetEndpoint or votes stay.
func (n *Node) RefreshAddresses() {
	select {
	case n.follow.kick <- struct{}{}:
	default:
	}
}
