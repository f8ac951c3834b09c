// Package lookup finds the nodes closest to a target by asking ever closer nodes
// (discv5-theory.md, Lookup). It is a state machine: it has no socket, goroutine or clock, and
// names the node to query next. The caller sends FINDNODE, checks and verifies the response, and
// reports it.
//
//	l := lookup.New(target, lookup.Config{}, self, seeds)
//	for !l.Done() {
//		for q, ok := l.Next(); ok; q, ok = l.Next() {
//			// send FINDNODE q.Distances to q.Node
//		}
//		// wait for an answer or a timeout, then
//		l.Answer(id, found) // or l.Fail(id)
//	}
//	closest := l.Results()
//
// # Glossary
//
//   - target: the ID whose closest nodes the lookup finds. It need not belong to a node.
//   - candidate: a node that the lookup knows.
//   - k: the number of nodes wanted, 16.
//   - α (Alpha): the number of outstanding queries on one path, 3.
//   - path: one independent traversal. With several paths, no path uses a node found on another and
//     no node is queried twice, so a hostile node misleads at most one path.
//   - distances: the log distances that one query asks for.
//
// # What the caller does
//
// It drops records from a response that do not verify, lie at other distances, or name addresses
// that the responder may not offer. It reports every query exactly once, by Answer or Fail. The
// lookup ignores a report about a node that is not being queried.
//
// # Bounds
//
// A lookup makes at most MaxQueries queries, keeps at most 8·K candidates per path and those that
// it has queried, and remembers the IDs of at most MaxQueries·MaxFound nodes plus 8·K seeds. It
// ignores all but the first MaxFound nodes of a response. One goroutine at a time may use a Lookup.
package lookup
