package statuspage

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/axiomhq/hyperloglog"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// An hour consists of slices. Counts of the last hour are those of the newest slices, so they cover
// 55 to 60 minutes.
const (
	hourSlices = 12
	sliceTime  = time.Hour / hourSlices
)

// sketchPrecision makes a sketch of 2^12 bytes, with a standard error of 1.6 %.
const sketchPrecision = 12

// peerCounter estimates how many distinct peers, and networks of peers, had a session within the
// last hour, in 100 KiB. Its hash is seeded, so that nobody can choose IDs that distort it.
type peerCounter struct {
	seed     maphash.Seed
	ids      [hourSlices]*hyperloglog.Sketch
	networks [hourSlices]*hyperloglog.Sketch // IPv4 /24 and IPv6 /48
	now      int                             // the slice that is being counted
}

func newPeerCounter() *peerCounter {
	c := &peerCounter{seed: maphash.MakeSeed()}
	for i := range hourSlices {
		c.ids[i], c.networks[i] = newSketch(), newSketch()
	}
	return c
}

func newSketch() *hyperloglog.Sketch {
	s, err := hyperloglog.NewSketch(sketchPrecision, false)
	if err != nil {
		panic(err) // the precision is a constant
	}
	return s
}

// add counts a peer.
func (c *peerCounter) add(id enr.ID, addr netip.Addr) {
	c.ids[c.now].InsertHash(maphash.Bytes(c.seed, id[:]))
	site := netaddr.Site(addr).Netip()
	b := site.Addr().As16()
	c.networks[c.now].InsertHash(maphash.Bytes(c.seed, binary.AppendUvarint(b[:], uint64(site.Bits()))))
}

// turn begins a new slice.
func (c *peerCounter) turn() {
	c.now = (c.now + 1) % hourSlices
	c.ids[c.now], c.networks[c.now] = newSketch(), newSketch()
}

// count returns the estimates for the last hour.
func (c *peerCounter) count() (ids, networks uint64) { return union(&c.ids), union(&c.networks) }

func union(list *[hourSlices]*hyperloglog.Sketch) uint64 {
	all := newSketch()
	for _, s := range list {
		if err := all.Merge(s); err != nil {
			panic(err) // sketches of one precision merge
		}
	}
	return all.Estimate()
}
