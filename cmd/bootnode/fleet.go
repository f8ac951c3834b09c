package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/statuspage"
	"github.com/fastdisc/discv5/internal/version"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
)

const (
	// fleetTries is how many candidates of the fleet the node contacts at the same time.
	fleetTries = 32
	// fleetPatience is how long the fleet may fail before that is a warning: servers restart.
	fleetPatience = 10 * time.Second
)

// fleetMember is this bootnode in its fleet. Nothing of it is on the packet path.
type fleetMember struct {
	o      *options
	conn   *fleet.Conn
	member *fleet.Member
	lease  *fleet.Lease // nil without --fleet-identity
	log    *slog.Logger
	stop   context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	prepared enr.ID // node that the member prepares for
}

// openFleet begins to connect to the fleet of the settings, and returns nil if there is none. It
// does not wait for a server.
func openFleet(o *options, log *slog.Logger) (*fleetMember, error) {
	if len(o.fleet.list) == 0 {
		return nil, nil
	}
	f := &fleetMember{o: o, log: log, done: make(chan struct{})}
	cfg := o.fleet.config
	cfg.Log = log
	var err error
	if f.conn, err = fleet.Open(cfg); err != nil {
		return nil, err
	}
	prefix := fleet.Prefix(o.fleetNetwork())
	if o.fleet.identity != "" {
		lease := fleet.LeaseConfig{Identity: o.fleet.identity, Member: o.fleet.name, Secret: o.fleet.secret, Log: log}
		// With a secret, the key of the fleet comes before the one that the data directory has.
		if len(o.fleet.secret) > 0 && o.keyHex == "" && o.nodeKey == "" {
			lease.NewKey = func() (*enr.PrivateKey, error) { return ownKey(o) }
		} else if lease.Key, err = ownKey(o); err != nil {
			f.conn.Close()
			return nil, err
		}
		if f.lease, err = fleet.NewLease(f.conn, prefix, lease); err != nil {
			f.conn.Close()
			return nil, err
		}
	}
	f.member, err = fleet.NewMember(fleet.MemberConfig{
		Conn: f.conn, Prefix: prefix, Name: o.fleet.name, Version: version.Line("bootnode"), Lease: f.lease, Log: log,
	})
	if err != nil {
		f.conn.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	go func() {
		defer close(f.done)
		f.member.Run(ctx)
	}()
	return f, nil
}

// ownKey returns the key of the settings or of the data directory, where it makes one if there is
// none.
func ownKey(o *options) (*enr.PrivateKey, error) {
	s, err := openStorage(o)
	if err != nil {
		return nil, err
	}
	key, _, err := s.key(o)
	if closeErr := s.close(); err == nil {
		err = closeErr
	}
	return key, err
}

// close leaves the fleet. A nil fleetMember is in none.
func (f *fleetMember) close() {
	if f == nil {
		return
	}
	f.stop()
	<-f.done
	f.conn.Close()
}

// reload makes the member use the present content of its certificates and credentials. A nil
// fleetMember has none.
func (f *fleetMember) reload() error {
	if f == nil {
		return nil
	}
	if _, err := f.conn.Reload(); err != nil {
		return fmt.Errorf("%s: %s", f.o.from("fleet"), cli.OneLine(err, "wrong setting"))
	}
	return nil
}

// share makes the member share for the daemon's node, until ctx ends.
func (f *fleetMember) share(ctx context.Context, d *daemon) {
	if f == nil {
		return
	}
	s := &fleetNode{d: d, f: f, terms: make(map[limits.Target]fleetTerm)}
	f.member.SetNode(&fleet.Node{
		ID: d.node.ID(), Record: d.node.LocalRecord, Seen: s.seen, Has: s.has, Try: s.try, Load: s.load,
		Bans: d.access.shared, SetBans: s.setBans,
	})
	<-ctx.Done()
	f.member.SetNode(nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prepared = enr.ID{}
}

// failed notes nodes that do not answer.
func (f *fleetMember) failed(ids []enr.ID) {
	if f != nil {
		f.member.Failed(ids)
	}
}

// problem returns why the fleet does not work, or "". It forgives what lasts only seconds.
func (f *fleetMember) problem() string {
	if f == nil {
		return ""
	}
	s := f.member.State()
	if s.Problem == "" || time.Since(s.ProblemSince) < fleetPatience && !f.silenced() {
		return ""
	}
	return s.Problem
}

// silenced reports whether the node is silent because its lease has run out.
func (f *fleetMember) silenced() bool {
	return f != nil && f.lease != nil && f.lease.State().Role == fleet.Silenced
}

// silence returns why the node may not answer, or "".
func (f *fleetMember) silence() string {
	if !f.silenced() {
		return ""
	}
	text := "silent: the lease of the shared identity cannot be renewed"
	if p := f.problem(); p != "" {
		text += ": " + p
	}
	return text
}

// conditions returns the conditions of the fleet, for the status page.
func (f *fleetMember) conditions() (list []statuspage.Condition) {
	if f.silenced() {
		list = append(list, statuspage.Condition{Level: statuspage.Failing, Text: "The lease of the shared identity cannot be renewed, so the node answers nothing"})
	}
	if p := f.problem(); p != "" {
		list = append(list, statuspage.Condition{Level: statuspage.Warning, Text: "The fleet does not work, and the node continues without it: " + p})
	}
	return list
}

// describe describes the fleet for the status page.
func (f *fleetMember) describe() *statuspage.Fleet {
	s := f.member.State()
	v := &statuspage.Fleet{Server: s.Conn.Server, Problem: f.problem(), Identity: f.o.fleet.identity, Nodes: s.Nodes, Bans: s.Bans, Members: []statuspage.Member{}}
	for _, m := range s.Members {
		member := statuspage.Member{
			Name: m.Name, Self: m.Self, Program: m.Program, Role: string(m.Role), Live: m.Load.Live, Sessions: m.Load.Sessions, Seconds: int(m.Age.Seconds()),
		}
		if m.ID != (enr.ID{}) {
			member.ID = m.ID.String()
		}
		v.Members = append(v.Members, member)
	}
	return v
}

// fleetNode is the daemon's node as the fleet sees it.
type fleetNode struct {
	d     *daemon
	f     *fleetMember
	terms map[limits.Target]fleetTerm
	last  []fleet.Ban
}

// fleetTerm is how long a ban of another member lasts from when this node saw it.
type fleetTerm struct {
	until time.Time
	term  time.Duration
}

// seen returns the nodes that answer.
func (s *fleetNode) seen() (list []fleet.Seen) {
	for n := range s.d.node.AllNodes() {
		if n.Live {
			list = append(list, fleet.Seen{Record: n.Record, At: n.LastSeen})
		}
	}
	return list
}

// has reports whether a candidate is of no use: the node knows it, or its bucket is full of nodes
// that answer.
func (s *fleetNode) has(id enr.ID) bool {
	n := s.d.node
	if _, ok := n.Known(id); ok {
		return true
	}
	return n.Bucket(enr.LogDistance(n.ID(), id)).Live >= table.DefaultBucketSize
}

// try contacts candidates, and offers those that answer to the table. The rules for lists that
// others have made apply: a public node does not contact private addresses.
func (s *fleetNode) try(ctx context.Context, records []*enr.Record) {
	var running sync.WaitGroup
	slots := make(chan struct{}, fleetTries)
	for _, r := range records {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		running.Go(func() {
			defer func() { <-slots }()
			if s.has(r.ID()) {
				return
			}
			if _, err := s.d.node.Ping(ctx, discv5.ListedContacts(r)[0]); err == nil {
				_ = s.d.node.AddNode(r) // the table may have no room, or refuse it
			}
		})
	}
	running.Wait()
}

func (s *fleetNode) load() fleet.Load {
	t := s.d.node.Stats()
	return fleet.Load{
		PacketsIn: t.Sockets.RxDatagrams, PacketsOut: t.Sockets.TxDatagrams, Sessions: t.Sessions.Sessions, Table: t.Table, Live: t.Live,
	}
}

// setBans applies the bans of other members. It leaves out those that concern a bootnode of the
// settings, or this node.
func (s *fleetNode) setBans(bans []fleet.Ban) {
	if slices.Equal(bans, s.last) {
		return
	}
	terms := make(map[limits.Target]fleetTerm, len(bans))
	var rules []limits.Rule
	sources := s.d.finder.named()
	for _, b := range bans {
		if s.protected(b.Target, sources) {
			continue
		}
		t, ok := s.terms[b.Target]
		if !ok || !t.until.Equal(b.Until) {
			t = fleetTerm{until: b.Until}
			if !b.Until.IsZero() {
				if t.term = time.Until(b.Until); t.term <= 0 {
					continue
				}
			}
		}
		terms[b.Target] = t
		rules = append(rules, limits.Rule{Target: b.Target, For: t.term})
	}
	if err := s.d.access.applyFleet(time.Since(s.d.epoch), rules, s.d.node); err != nil {
		s.f.log.Warn("cannot apply the bans of the fleet", "err", err)
		return
	}
	s.terms, s.last = terms, bans
	s.f.log.Info("bans of the fleet", "bans", len(rules))
}

// protected reports whether a ban would hit a bootnode of the settings, or this node.
func (s *fleetNode) protected(t limits.Target, sources []source) bool {
	self := s.d.node.LocalRecord()
	p, _ := t.Prefix()
	id, _ := t.Node()
	hits := func(node enr.ID, endpoints []netip.AddrPort) bool {
		return node == enr.ID(id) || slices.ContainsFunc(endpoints, func(a netip.AddrPort) bool { return p.Contains(a.Addr()) })
	}
	return hits(self.ID(), endpointsOf(self)) || slices.ContainsFunc(sources, func(b source) bool {
		return b.contact != nil && hits(b.contact.ID(), b.endpoints)
	})
}
