package geth

import (
	"time"

	"github.com/fastdisc/discv5"
)

// saveInterval is the time between two writes of live nodes to the database.
const saveInterval = 30 * time.Second

// seeds returns nodes of the database that were alive lately. They are contacted as bootnodes are,
// but no one vouches for them.
func (t *UDPv5) seeds() (list []discv5.Contact) {
	for _, n := range t.local.Database().QuerySeeds(seedCount, seedAge) {
		if c, err := t.convert.contact(n); err == nil {
			list = append(list, c.Unvouched())
		}
	}
	return list
}

// saveNodes writes live nodes to the database until the node is closed, and once more then.
func (t *UDPv5) saveNodes() {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.saveLive()
		case <-t.ctx.Done():
			t.saveLive()
			return
		}
	}
}

func (t *UDPv5) saveLive() {
	db := t.local.Database()
	for _, k := range t.node.Nodes() {
		if !k.Live {
			continue
		}
		if n := t.convert.node(k.Record); n != nil {
			// The database is a cache: an error costs a node to contact at the next start.
			if db.UpdateNode(n) == nil {
				db.UpdateLastPongReceived(n.ID(), k.Addr.Addr(), k.LastSeen)
			}
		}
	}
}
