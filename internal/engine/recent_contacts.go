package engine

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/fastdisc/discv5/enr"
)

const (
	// contactLife is for how long an address counts as contacted: longer than NATs keep the way
	// open for its answers.
	contactLife = 10 * time.Minute
	// cameLife is for how long a node is known to have made contact first.
	cameLife    = 24 * time.Hour
	contactSize = 512
)

// contacts remembers when addresses or nodes were noted last. A slot holds the last of those that
// share it. As it holds a part of the hash, others are seldom taken for that one.
type contacts struct {
	seed  uint64
	slots [contactSize]atomic.Uint64 // upper half of the hash | seconds + 1
}

func (c *contacts) slot(b []byte) (slot *atomic.Uint64, tag uint64) {
	h := xxh3.HashSeed(b, c.seed)
	return &c.slots[h%contactSize], h &^ (1<<32 - 1)
}

func (c *contacts) noteBytes(now time.Duration, b []byte) {
	slot, tag := c.slot(b)
	slot.Store(tag | uint64(uint32(now/time.Second)+1))
}

func (c *contacts) within(now, life time.Duration, b []byte) bool {
	slot, tag := c.slot(b)
	v := slot.Load()
	at := time.Duration(uint32(v)) * time.Second // up to a second too late
	return v != 0 && v&^(1<<32-1) == tag && now-at < life
}

// note remembers that this node has sent a request to an address, answered or not. A NAT lets in
// what comes from there, so it proves nothing about who else can reach this node.
func (c *contacts) note(now time.Duration, a netip.Addr) {
	b := a.As16()
	c.noteBytes(now, b[:])
}

// lately reports whether an address was contacted within contactLife.
func (c *contacts) lately(now time.Duration, a netip.Addr) bool {
	b := a.As16()
	return c.within(now, contactLife, b[:])
}

// noteNode remembers that a node has made contact first.
func (c *contacts) noteNode(now time.Duration, id enr.ID) { c.noteBytes(now, id[:]) }

// came reports whether a node made contact first.
func (c *contacts) came(now time.Duration, id enr.ID) bool { return c.within(now, cameLife, id[:]) }
