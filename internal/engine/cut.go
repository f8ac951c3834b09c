package engine

import "github.com/fastdisc/discv5/codec"

// cut says how the records of an answer are put into packets.
//
// Records of up to 300 bytes do not fill packets evenly. But many nodes run the same program, and
// their records have the same size. Packets of one size, and a shorter one after them, cost less to
// send: the system takes them as one. So records are dealt by falling size: if there are equal ones
// for all packets but the last, each of those gets one of them. What has no equals goes into the
// last. All others are of one size then. Of three packets:
//
//	size of record   190 190 190 190 190 185 180 180 173 173 ...
//	into packet        1   2   1   2   3   3   1   2   1   2
type cut struct {
	max   int // bytes of records in a packet; set it before make
	total int
	ends  [maxNodes]uint8  // where each packet ends in order
	order [maxNodes]uint8  // the records, by packet
	sizes [maxNodes]uint16 // of the records, in bytes
	keys  [maxNodes]uint16 // size and number of each record, by falling size
}

// maxNodesPayload6 is the most bytes of records in a packet over IPv6. Together with its headers
// such a packet has 1,280 bytes, the least path MTU of IPv6, so that no router and no forged
// message about a smaller path MTU has it sent in fragments (S43).
const maxNodesPayload6 = codec.MaxNodesPayload - ipv6Headers

// ipv6Headers is the size of the headers of IPv6 and UDP.
const ipv6Headers = 40 + 8

// A key has the number of a record below its size, from the last on, so that equal ones stay in
// their order.
const (
	keyBits = 4
	keyMask = 1<<keyBits - 1
)

// record is the number of the record that has key k.
func record(k uint16) uint8 { return uint8(keyMask - k&keyMask) }

// make cuts records of at most codec.MaxRecordSize bytes. There are no more packets than if each
// was filled in the order of the records, and none is larger than those before it. No record makes
// one empty packet.
func (c *cut) make(records [][]byte) {
	if c.max == 0 {
		c.max = codec.MaxNodesPayload
	}
	c.fill(records)
	if c.total > 1 && !c.deal(len(records)) {
		c.arrange()
	}
}

// fill puts records into packets in their order.
func (c *cut) fill(records [][]byte) {
	total, size := 0, 0
	for i, r := range records[:min(len(records), maxNodes)] {
		n := len(r)
		c.order[i], c.sizes[i] = uint8(i), uint16(n)
		if size+n > c.max {
			c.ends[total] = uint8(i)
			total++
			size = 0
		}
		size += n
	}
	c.ends[total] = uint8(len(records))
	c.total = total + 1
}

// deal cuts n records into as many packets as fill has done, or one less, of which all but the last
// are of one size. It reports false, and does nothing, if there are too few equal records for that.
func (c *cut) deal(n int) bool {
	c.sort(n)
	full := c.total - 1 // packets of one size
	var dealt, rest [maxNodes]uint8
	each, left := 0, 0     // records of a full packet, and of the last
	size, restSize := 0, 0 // their bytes
	for i := 0; i < n; {
		k := c.keys[i]
		bytes := int(k >> keyBits)
		if last := i + full - 1; last < n && c.keys[last]>>keyBits == k>>keyBits && size+bytes <= c.max {
			dealt[each] = uint8(i)
			each++
			size += bytes
			i += full
			continue
		}
		rest[left] = record(k)
		left++
		restSize += bytes
		i++
	}
	if restSize > size {
		return false
	}
	at := 0
	for k := range full {
		for _, first := range dealt[:each] {
			c.order[at] = record(c.keys[int(first)+k])
			at++
		}
		c.ends[k] = uint8(at)
	}
	c.total = full
	if left > 0 {
		copy(c.order[at:], rest[:left])
		c.ends[full] = uint8(n)
		c.total++
	}
	return true
}

// sort makes the keys of n records.
func (c *cut) sort(n int) {
	for i, size := range c.sizes[:n] {
		k := size<<keyBits | uint16(keyMask-i)
		j := i
		for ; j > 0 && c.keys[j-1] < k; j-- {
			c.keys[j] = c.keys[j-1]
		}
		c.keys[j] = k
	}
}

// arrange puts the packets that fill has made into the order of falling size: so the second can
// still follow the first, and the fourth the third.
func (c *cut) arrange() {
	var starts, ends [maxNodes]uint8
	var sizes [maxNodes]int
	start := uint8(0)
	for k, end := range c.ends[:c.total] {
		size := 0
		for _, n := range c.sizes[start:end] {
			size += int(n)
		}
		j := k
		for ; j > 0 && sizes[j-1] < size; j-- {
			starts[j], ends[j], sizes[j] = starts[j-1], ends[j-1], sizes[j-1]
		}
		starts[j], ends[j], sizes[j] = start, end, size
		start = end
	}
	at := uint8(0)
	for k := range c.total {
		for i := starts[k]; i < ends[k]; i++ {
			c.order[at] = i
			at++
		}
		c.ends[k] = at
	}
}

// Sizes and numbers of records fit into a key.
const _ = uint16(codec.MaxRecordSize<<keyBits | (maxNodes - 1))
