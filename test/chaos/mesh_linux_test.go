package chaos

import (
	"fmt"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// mesh is a bootnode and nodes that know it, each on a host of its own in a private network.
type mesh struct {
	*fabric
	family family
	boot   *bootnode
	nodes  []*node
}

// family numbers hosts, by n from 1.
type family struct {
	name string
	addr func(n int) []string
}

var (
	ipv4 = family{"IPv4", func(n int) []string { return []string{fmt.Sprintf("10.7.0.%d", n)} }}
	ipv6 = family{"IPv6", func(n int) []string { return []string{fmt.Sprintf("fd77::%d", n)} }}
	dual = family{"both", func(n int) []string { return []string{fmt.Sprintf("10.7.0.%d", n), fmt.Sprintf("fd77::%d", n)} }}
)

// newMesh starts a bootnode and nodes, and waits until all know each other and have sessions in
// both directions.
func newMesh(t *testing.T, f family, nodes int, l launch, change func(*discv5.Config)) *mesh {
	t.Helper()
	m := &mesh{fabric: newFabric(t), family: f}
	m.boot = m.host(t, f.addr(1)...).bootnode(t, l)
	for i := range nodes {
		m.nodes = append(m.nodes, m.host(t, f.addr(i+2)...).node(t, change, m.boot.record))
	}
	m.whole(t)
	m.talk(t)
	return m
}

// whole waits until everybody has everybody in its table, and returns how long that took.
func (m *mesh) whole(t *testing.T) time.Duration {
	t.Helper()
	return eventually(t, "all nodes in all tables", func() bool {
		for _, n := range m.nodes {
			if n.Stats().Live < len(m.nodes) {
				return false
			}
		}
		return m.boot.live(t) == len(m.nodes)
	})
}

// talk waits until every node has had an answer of every other one.
func (m *mesh) talk(t *testing.T) {
	t.Helper()
	for _, n := range m.nodes {
		for _, r := range m.records() {
			if r.ID() != n.ID() {
				n.answers(t, discv5.ContactOf(r), "answer of each node to each")
			}
		}
	}
}

// records are those of all nodes and the bootnode.
func (m *mesh) records() (list []*enr.Record) {
	for _, n := range m.nodes {
		list = append(list, n.LocalRecord())
	}
	return append(list, m.boot.record)
}

// works checks that everything is as in a network without faults, after a while to recover: tables
// are full, everybody answers everybody, and lookups find all. It returns how long the tables took.
func (m *mesh) works(t *testing.T) time.Duration {
	t.Helper()
	took := m.whole(t)
	m.talk(t)
	for _, n := range m.nodes {
		eventually(t, "a lookup that finds all", func() bool {
			found, err := n.Lookup(t.Context(), m.boot.record.ID())
			return err == nil && len(found) == len(m.nodes)
		})
	}
	return took
}

// load is calls of all nodes among each other and to the bootnode.
func (m *mesh) load(workers int, pause time.Duration) load {
	return load{nodes: m.nodes, others: []*enr.Record{m.boot.record}, workers: workers, pause: pause}
}
