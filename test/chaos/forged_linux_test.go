package chaos

import (
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
)

// S43: anybody can send ICMP messages which say that a path takes small packets only. Answers to
// the host that they name leave in one piece all the same, and arrive. Over IPv6, where routers do
// not fragment, a path MTU below 1,280 bytes is not believed, and no packet of up to 1,280 is
// fragmented.
func TestS43ForgedPathMTU(t *testing.T) {
	heavy(t)
	for _, f := range []family{ipv4, ipv6} {
		for _, portable := range []bool{false, true} {
			for _, mtu := range []int{68, 552, 1279, 1280, 1300} {
				t.Run(fmt.Sprintf("%s/portable=%v/%d", f.name, portable, mtu), func(t *testing.T) {
					t.Parallel()
					forgedPathMTU(t, f, portable, mtu)
				})
			}
		}
	}
}

func forgedPathMTU(t *testing.T, f family, portable bool, mtu int) {
	fab := newFabric(t)
	asked, asker := fab.host(t, f.addr(1)...), fab.host(t, f.addr(2)...)
	x := asked.node(t, func(c *discv5.Config) { c.Portable = portable })
	// Each request has one try, and time for a pause of the machine.
	y := asker.node(t, func(c *discv5.Config) { c.Resend, c.RequestTimeout = 0, patience/4 })
	y.answers(t, x.contact(), "handshake")

	var mu sync.Mutex
	pieces, largest := 0, 0
	fab.set(func() {
		fab.tap = func(from *port, h header, b []byte) {
			if from != asked.port {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if largest = max(largest, len(b)); h.fragment || h.proto == protoFrag {
				pieces++
			}
		}
	})
	// A router quotes any datagram of the node to the victim.
	quoted := datagram(x.endpoint().Addr(), y.endpoint().Addr(), udpPort, udpPort, make([]byte, 1280))
	router := router4
	if f.name == ipv6.name {
		router = router6
	}
	forge := func() { asked.port.deliver(tooBig.about(router, quoted, mtu)) }

	// The largest answers of all, and over IPv6 those that just fit into the smallest MTU.
	size := codec.MaxTalkRequest - len(echo)
	if f.name == ipv6.name && mtu >= 1280 {
		size -= sizeIPv6 + sizeUDP
	}
	const calls = 20
	answered := 0
	for range calls {
		forge()
		payload := make([]byte, size)
		rand.Read(payload)
		got, err := y.Talk(t.Context(), x.contact(), echo, payload)
		if err == nil && len(got) == size {
			answered++
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if pieces > 0 {
		t.Errorf("%d fragments have left because of forged messages", pieces)
	}
	if answered < calls {
		t.Errorf("%d of %d requests answered", answered, calls)
	}
	if largest < size {
		t.Errorf("the largest packet had %d bytes, less than an answer", largest)
	}
	if ignored := x.Stats().Sockets.PathMTUIgnored; f.name == ipv4.name && mtu >= 68 && ignored == 0 {
		t.Error("the forged messages have not been noticed: the test shows nothing")
	}
	result(t, "%d of %d answers of %d bytes in one piece, the largest packet %d bytes", answered, calls, size, largest)
}
