package fastpath

import "sync/atomic"

// omitBatches is for how many batches a socket ignores path MTUs after one was in the way.
const omitBatches = 10_000

// pathMTU is how an IPv4 socket treats the path MTUs that the system has learned. Anybody can forge
// the ICMP message that they come from, so that no datagram is ever fragmented because of one:
//
//   - Datagrams leave with the DF bit, unfragmented (IP_PMTUDISC_DO). That is also what costs
//     least: Linux chooses no IP identification then, for which it keeps a table in memory.
//   - A datagram that is larger than the path MTU is refused. For a while all then leave without
//     the DF bit, whatever the path MTU (IP_PMTUDISC_OMIT): a router on a path that is narrow
//     indeed fragments them. This machine does so only if its own interface takes no more.
//
// IPv6 routers do not fragment. The system fragments to a path MTU that it has learned, in which it
// never believes below 1,280 bytes.
type pathMTU struct {
	left atomic.Uint32 // batches during which path MTUs are ignored
}

// ignore has s ignore path MTUs. It reports false where that cannot be done, or changes nothing.
func (p *pathMTU) ignore(s *socket) bool {
	if s.opts.pathMTU != "" || !s.setPathMTU(false) {
		return false
	}
	p.left.Store(omitBatches)
	s.cnt.tx.narrow.Add(1)
	return true
}

// batch counts a batch to be sent. After the last one path MTUs hold again.
func (p *pathMTU) batch(s *socket) {
	if n := p.left.Load(); n > 0 && p.left.CompareAndSwap(n, n-1) && n == 1 {
		s.setPathMTU(true)
	}
}
