package discv5

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
)

// ErrNotAdded is wrapped by errors about nodes that are not taken into the table.
var ErrNotAdded = errors.New("discv5: node is not taken into the table")

// KnownNode is a node that the table knows.
type KnownNode struct {
	Record *enr.Record
	Addr   netip.AddrPort // where this node contacts it
	// Distance is the log distance from this node, 1 to 256, which is also the number of its
	// bucket.
	Distance int
	// Member is false for a node that waits for a slot in a full bucket.
	Member bool
	// Live says that the node has answered a PING at Addr and has not failed too often since. Only
	// live members are named to other nodes.
	Live bool
	// Inbound says that the node contacted this one first.
	Inbound bool
	// Proven are the address families in which an endpoint of the record has answered a PING.
	Proven FamilySet
	// Checks grows by one for each answered PING, up to 81, and falls to a third when checks fail
	// repeatedly. Fails counts the failures in a row.
	Checks, Fails int
	// Added is when the node entered the table, LastSeen the last sign of life, and NextCheck when
	// the node is pinged next. NextCheck is zero for nodes that are not members.
	Added, LastSeen, NextCheck time.Time
}

func (n *Node) known(t table.Node, s table.State) KnownNode {
	k := KnownNode{
		Record: t.Record, Addr: t.Addr, Distance: enr.LogDistance(n.ID(), t.ID),
		Member: s.Member, Live: s.Live, Inbound: t.Inbound, Proven: s.Proven, Checks: s.Checks, Fails: s.Fails,
		Added: n.wall(s.Added), LastSeen: n.wall(s.LastSeen),
	}
	if s.Member {
		k.NextCheck = n.wall(s.NextCheck)
	}
	return k
}

// wall converts a time of the node's clock to wall-clock time.
func (n *Node) wall(at time.Duration) time.Time { return n.clock.At(at).Round(0) }

// Nodes lists the members of the table whose log distance from this node is one of those given, or
// all members if none is given, the farthest first. Nodes that wait for a slot are not among them;
// see AllNodes.
func (n *Node) Nodes(distances ...int) []KnownNode {
	var want [257]bool
	for _, d := range distances {
		if d >= 0 && d < len(want) {
			want[d] = true
		}
	}
	var list []KnownNode
	for k := range n.AllNodes() {
		if k.Member && (len(distances) == 0 || want[k.Distance]) {
			list = append(list, k)
		}
	}
	return list
}

// AllNodes iterates over the whole table, the farthest bucket first, and in each bucket over the
// members before the nodes that wait for a slot. The loop may call any method of the node.
func (n *Node) AllNodes() iter.Seq[KnownNode] {
	return func(yield func(KnownNode) bool) {
		for t, s := range n.engine.Table().All() {
			if !yield(n.known(t, s)) {
				return
			}
		}
	}
}

// Known returns the table's entry of a node, and false if there is none.
func (n *Node) Known(id enr.ID) (KnownNode, bool) {
	t, s, ok := n.engine.Table().Get(id)
	if !ok {
		return KnownNode{}, false
	}
	return n.known(t, s), true
}

// Bucket describes the bucket of a log distance.
type Bucket struct {
	Distance     int       // 1 to 256
	Members      int       // at most 16
	Live         int       // members that have answered
	Replacements int       // nodes that wait for a slot
	Refreshed    time.Time // when a lookup last went through the bucket; zero for never
}

// Bucket describes the bucket of a log distance, 1 to 256. Other distances have empty ones.
func (n *Node) Bucket(distance int) Bucket {
	i := n.engine.Table().BucketInfo(distance)
	b := Bucket{Distance: distance, Members: i.Len, Live: i.Live, Replacements: i.Replacements}
	if i.Refreshed >= 0 && i.Len+i.Replacements > 0 {
		b.Refreshed = n.wall(i.Refreshed)
	}
	return b
}

// AddNode offers a node to the table. It gets a place, or waits for one, unless the table's rules
// refuse it: then the error wraps ErrNotAdded. It is checked soon, and relayed to others only once
// it has answered.
func (n *Node) AddNode(r *enr.Record) error {
	if r == nil { // as in TalkRequest and Event if it is not known
		return fmt.Errorf("%w: no record", ErrNotAdded)
	}
	if r.ID() == n.ID() {
		return fmt.Errorf("%w: %w", ErrNotAdded, ErrSelf)
	}
	res, err := n.engine.Offer(n.clock.Now(), r)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNotAdded, err)
	case res.Rejected():
		return fmt.Errorf("%w: node %s: %s", ErrNotAdded, r.ID().Short(), res)
	}
	return nil
}

// RemoveNode removes a node from the table. It may come back when it makes contact or another node
// names it. It reports whether the node was there.
func (n *Node) RemoveNode(id enr.ID) bool { return n.engine.Table().Remove(n.clock.Now(), id) }

// DemoteNode makes a node unverified: it is checked soon, and not relayed until it answers. It
// reports whether the node was there.
func (n *Node) DemoteNode(id enr.ID) bool { return n.engine.Table().Demote(n.clock.Now(), id) }

// SetBootnodes replaces the bootnodes, those of Config.Store aside. They are contacted soon if the
// table is nearly empty, and whenever it becomes so. A bootnode that cannot be contacted is left
// out, and an EventBootnodeUnusable says why. The error wraps ErrConfig and names the bootnodes if
// one has neither record nor address, or if none can be contacted and the record of one has no UDP
// address. On error the old ones stay.
func (n *Node) SetBootnodes(list []Contact) error {
	boot, unusable, err := n.usable(n.cfg.withSeeds(list))
	for _, e := range unusable {
		n.publish(e)
	}
	if err != nil {
		return err
	}
	n.engine.SetBootnodes(boot)
	n.unusable.Store(&unusable)
	n.engine.Bootstrap()
	n.changed()
	return nil
}

// Why a bootnode cannot be contacted; see EventBootnodeUnusable. Others are ErrNoEndpoint,
// ErrSelf and ErrNoSession, for one whose key is not known.
var (
	ErrBanned     = errors.New("discv5: node is banned")
	ErrRestricted = errors.New("discv5: address is outside of the allowed networks")
)

// namedBootnodes is how many bootnodes an error names.
const namedBootnodes = 3

// usable returns the bootnodes that can be contacted, and an event for each of the others. A
// bootnode that is banned or outside of the allowed networks is in both lists, as such rules
// change.
func (n *Node) usable(list []Contact) (boot []engine.Peer, unusable []Event, err error) {
	var noUDP []error
	for i, b := range list {
		if b.record == nil && !b.peer.Addr.IsValid() {
			return nil, nil, fmt.Errorf("%w: bootnode %d: %w", ErrConfig, i+1, ErrNoEndpoint)
		}
		p, err := b.bootPeer(n.engine)
		_, hasKey := p.Key()
		switch {
		case b.ID() == n.ID():
			err = ErrSelf
		case err == nil && !hasKey:
			err = ErrNoSession
		}
		if err == nil {
			boot = append(boot, p)
			err = n.refused(p)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("bootnode %d, node %s: %w", i+1, b.ID().Short(), err)
		unusable = append(unusable, Event{Kind: EventBootnodeUnusable, ID: b.ID(), Addr: p.Addr, Record: b.Record(), Err: err})
		if errors.Is(err, enr.ErrNoUDP) || errors.Is(err, ErrNoSession) {
			noUDP = append(noUDP, err)
		}
	}
	if len(boot) > 0 || len(noUDP) == 0 {
		return boot, unusable, nil
	}
	if more := len(noUDP) - namedBootnodes; more > 0 {
		noUDP = append(noUDP[:namedBootnodes:namedBootnodes], fmt.Errorf("and %d more", more))
	}
	return nil, unusable, fmt.Errorf("%w: no bootnode can be contacted: %w", ErrConfig, errors.Join(noUDP...))
}

// refused says why this node does not talk to a peer.
func (n *Node) refused(p engine.Peer) error {
	now := n.clock.Now()
	id := [32]byte(p.ID)
	switch {
	case n.cfg.Access.BlockedID(now, &id):
		return ErrBanned
	case n.cfg.Access.Check(now, p.Addr.Addr()) == limits.Outside:
		return fmt.Errorf("%w: %s", ErrRestricted, p.Addr)
	case n.cfg.Access.Blocked(now, p.Addr.Addr()):
		return fmt.Errorf("%w: %s", ErrBanned, p.Addr)
	}
	return nil
}

// Bootnode describes the contacts with a bootnode. If a node finds nobody, the reason is here.
type Bootnode struct {
	ID   enr.ID
	Addr netip.AddrPort // where it is contacted; not valid if it cannot be
	// Answered and Failed count the contacts. A bootnode is contacted while few nodes are known.
	Answered, Failed uint64
	// Last is when the last contact ended, zero before there was one.
	Last time.Time
	// Err is why it cannot be contacted, or how the last contact failed: such as ErrTimeout or
	// ErrBlocked. It is nil if the last contact was answered, or there was none.
	Err error
}

// Bootnodes describes the contacts with the bootnodes: first those that the node contacts, in the
// order in which they were given, then those that it cannot contact.
func (n *Node) Bootnodes() []Bootnode {
	var list []Bootnode
	for _, s := range n.engine.Bootnodes() {
		b := Bootnode{ID: s.Peer.ID, Addr: s.Peer.Addr, Answered: s.Answered, Failed: s.Failed, Err: s.Err}
		if s.Answered+s.Failed > 0 {
			b.Last = n.timeNow().Add(s.At - n.clock.Now())
		}
		list = append(list, b)
	}
	for _, e := range *n.unusable.Load() {
		i := slices.IndexFunc(list, func(b Bootnode) bool { return b.ID == e.ID })
		switch {
		case i < 0:
			list = append(list, Bootnode{ID: e.ID, Err: e.Err})
		case list[i].Err == nil && list[i].Answered+list[i].Failed == 0:
			list[i].Err = e.Err
		case errors.Is(list[i].Err, ErrBlocked): // by which rule?
			list[i].Err = fmt.Errorf("%w: %w", ErrBlocked, e.Err)
		}
	}
	return list
}
