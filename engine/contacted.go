package engine

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"
)

const (
	// contactLife is for how long an address counts as contacted: longer than NATs keep the way open for its answers.
	contactLife = 10 * time.Minute
	contactSize = 512
)

// contacts remembers the addresses that this node has sent requests to, answered or not. A NAT lets in what comes from there, so it
// proves nothing about who else can reach this node. Of addresses that share a place the last one is known; as each entry has a part
// of its hash, others are seldom taken for it.
type contacts struct {
	seed  uint64
	slots [contactSize]atomic.Uint64 // upper half of the hash | seconds + 1
}

func (c *contacts) place(a netip.Addr) (slot *atomic.Uint64, tag uint64) {
	b := a.As16()
	h := xxh3.HashSeed(b[:], c.seed)
	return &c.slots[h%contactSize], h &^ (1<<32 - 1)
}

func (c *contacts) note(now time.Duration, a netip.Addr) {
	slot, tag := c.place(a)
	slot.Store(tag | uint64(uint32(now/time.Second)+1))
}

// lately reports whether a was contacted within contactLife.
func (c *contacts) lately(now time.Duration, a netip.Addr) bool {
	slot, tag := c.place(a)
	v := slot.Load()
	at := time.Duration(uint32(v)) * time.Second // up to a second too late
	return v != 0 && v&^(1<<32-1) == tag && now-at < contactLife
}
