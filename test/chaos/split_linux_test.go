package chaos

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// The network falls into two parts for long enough that each forgets the other. Each continues
// alone; and when they can reach each other again they become one network, though most of the
// nodes know a bootnode of their own part alone.
func TestPartition(t *testing.T) {
	heavy(t)
	for _, f := range []family{ipv4, ipv6} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			const each = 4
			fab := newFabric(t)
			var parts [2][]*node
			var boots [2]*bootnode
			boots[0] = fab.host(t, f.addr(1)...).bootnode(t, launch{})
			boots[1] = fab.host(t, f.addr(2)...).bootnode(t, launch{args: []string{"--bootnodes", boots[0].record.String()}})
			side := map[*port]int{boots[0].h.port: 0, boots[1].h.port: 1}
			for i := range 2 * each {
				h := fab.host(t, f.addr(i+10)...)
				side[h.port] = i % 2
				parts[i%2] = append(parts[i%2], h.node(t, nil, boots[i%2].record))
			}
			all := append(append([]*node{}, parts[0]...), parts[1]...)
			whole := func() bool {
				for _, n := range all {
					if n.Stats().Live != 2*each+1 {
						return false
					}
				}
				return boots[0].live(t) == 2*each+1 && boots[1].live(t) == 2*each+1
			}
			up := eventually(t, "one network", whole)

			fab.set(func() { fab.cut = func(from, to *port) bool { return side[from] != side[to] } })
			var accounts [2]*account
			done := make(chan struct{})
			for i := range parts {
				go func() {
					accounts[i] = load{nodes: parts[i], others: []*enr.Record{boots[i].record}, workers: 4, pause: 200 * time.Millisecond}.run(t, 10*time.Second)
					done <- struct{}{}
				}()
			}
			<-done
			<-done
			for _, a := range accounts {
				// lookups wait for nodes of the other part as long as those are in the table, but
				// end well
				a.check(t, 1)
			}
			forgot := eventually(t, "parts that have forgotten each other", func() bool {
				for i, part := range parts {
					for _, n := range part {
						for _, o := range parts[1-i] {
							if _, known := n.Known(o.ID()); known {
								return false
							}
						}
					}
				}
				return true
			})
			fab.set(func() { fab.cut = nil })
			heal := eventually(t, "one network again", whole)
			for _, n := range all {
				for _, o := range all {
					if o == n {
						continue
					}
					n.answers(t, o.contact(), "answer across the gap")
					found, err := n.Resolve(t.Context(), o.ID())
					if err != nil || found.ID() != o.ID() {
						t.Errorf("Resolve: %v", err)
					}
				}
			}
			result(t, "2 parts of %d nodes and a bootnode, one network after %s; split: %v; %v; have forgotten each other %s later; one network again %s after the gap closed",
				each, seconds(up), accounts[0], accounts[1], seconds(forgot), seconds(heal))
		})
	}
}
