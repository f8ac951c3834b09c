package chaos

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
)

// path is a way between hosts that does not take every packet.
type path struct {
	family family
	name   string
	device int // MTU of all interfaces
	way    int // MTU of the fabric
	silent bool
	// large tells whether the largest messages get through in the end.
	large bool
}

var paths = []path{
	{ipv4, "1280", 1280, 0, false, true},
	{ipv4, "600", 600, 0, false, true},
	{ipv4, "68, the least of IPv4", 68, 0, false, true},
	{ipv6, "1280, the least of IPv6", 1280, 0, false, true},
	{ipv4, "1500, 700 on the way", 1500, 700, false, true},
	{ipv6, "1500, 1280 on the way", 1500, 1280, false, true},
	{ipv4, "1500, 700 on the way without a word", 1500, 700, true, false},
	{ipv6, "1500, 1280 on the way without a word", 1500, 1280, true, false},
}

// Datagrams of 1280 bytes where packets are smaller: they travel in fragments, also where only a
// router on the way knows. Where one drops them silently, small messages still pass.
func TestMTU(t *testing.T) {
	heavy(t)
	for _, p := range paths {
		t.Run(p.family.name+"/"+p.name, func(t *testing.T) {
			t.Parallel()
			f := newFabric(t)
			a, b := f.host(t, p.family.addr(1)...), f.host(t, p.family.addr(2)...)
			for _, h := range []*host{a, b} {
				h.ip(t, fmt.Sprintf("link set %s mtu %d", device, p.device))
			}
			x := a.node(t, func(c *discv5.Config) {
				if p.large { // nothing may be lost, also if the machine pauses
					c.RequestTimeout = 5 * time.Second
				}
			})
			y := b.node(t, nil)
			x.answers(t, y.contact(), "handshake")
			f.set(func() { f.mtu, f.silent = p.way, p.silent })

			var answered, lost int
			for i := range 20 {
				size := codec.MaxTalkRequest - len(echo)
				if i%2 == 0 {
					size = 1 + i*size/20
				}
				payload := make([]byte, size)
				rand.Read(payload)
				got, err := x.Talk(t.Context(), y.contact(), echo, payload)
				switch {
				case err != nil:
					lost++
				case !bytes.Equal(got, payload):
					t.Errorf("%d bytes came back altered", size)
				default:
					answered++
				}
				if _, err := x.Ping(t.Context(), y.contact()); err != nil {
					t.Errorf("PING after %d bytes: %v", size, err)
				}
				if lost == 2 && !p.large {
					break // each takes its time
				}
			}
			if p.large && lost > 0 {
				t.Errorf("%d of %d requests were lost", lost, answered+lost)
			}
			if !p.large && lost == 0 {
				t.Error("nothing was lost: the way is wider than the test wants")
			}
			s := x.Stats().Sockets
			result(t, "%d TALKREQ of up to %d bytes answered, %d lost, every PING answered; %d datagrams not sent. Fabric: %v", answered,
				codec.MaxTalkRequest, lost, s.SendErrors.Sum(), &f.tally)
		})
	}
}
