package lookup

import "github.com/fastdisc/discv5/enr"

// maxDistance is the largest log distance.
const maxDistance = 8 * enr.IDSize

// spread appends to dst the n log distances at which to ask a node for nodes close to a target at
// log distance d, and returns the result (discv5-theory.md, Lookup Protocol): d, d+1, d-1, d+2, d-2
// and so on within 1..256. The bucket of distance d holds the nodes that the node knows in the half
// of its neighborhood with the target; the others widen the circle. Distance 0 is left out: it
// yields the record of the node itself. If the node is the target, the distances are 1, 2, 3 and so
// on; Lookup does better, see Query.
func spread(dst []uint, d, n int) []uint {
	add := func(v int) {
		if n > 0 && 1 <= v && v <= maxDistance {
			dst = append(dst, uint(v))
			n--
		}
	}
	add(d)
	for i := 1; n > 0 && i <= maxDistance; i++ {
		add(d + i)
		add(d - i)
	}
	return dst
}
