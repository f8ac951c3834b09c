package table_test

import (
	"crypto/rand"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/table"
)

// A node becomes a member of the table when there is room, and is relayed to others after it has
// answered a PING. Times are those of the caller's clock.
func Example() {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	addr := netip.MustParseAddrPort("1.2.3.4:9000")
	record, err := enr.NewBuilder().SetIP(addr.Addr()).SetUDP(addr.Port()).Sign(key)
	if err != nil {
		log.Fatal(err)
	}
	t := table.New(table.Config{Self: enr.ID{1}})
	fmt.Println(t.Add(time.Second, table.NewNode(record, addr, false)))

	// The node is due for a check: PING it, and say that it has answered.
	for _, n := range t.Due(2*time.Second, nil, 10) {
		t.MarkLive(2*time.Second, n.ID, n.Addr)
	}
	closest := t.ClosestLive(record.ID(), 16, nil)
	fmt.Println(len(closest), "live, relayed:", t.Relay(enr.LogDistance(enr.ID{1}, record.ID())).Len())
	// Output:
	// added
	// 1 live, relayed: 1
}
