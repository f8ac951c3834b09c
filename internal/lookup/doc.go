// Package lookup finds the nodes closest to a target by asking ever closer nodes
// (discv5-theory.md, Lookup). It is a state machine: it has no socket, goroutine or clock, and
// says whom to ask next. The caller sends FINDNODE, checks and verifies the answer, and reports it.
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
//   - target: the ID around which nodes are looked for. It need not belong to a node.
//   - candidate: a node that the lookup has heard of.
//   - k: how many nodes are wanted, 16.
//   - α (Alpha): how many queries may be under way at once on one path, 3.
//   - path: one independent traversal. With several paths, what is heard on one is not used on
//     another, and no node is asked twice, so a hostile node leads at most one of them astray.
//   - distances: the log distances that one query asks for.
//
// # What the caller does
//
// It drops from an answer what does not belong there: records that do not verify, records at
// distances that were not asked for, addresses that the answering node may not offer. It reports
// every query exactly once, by Answer or Fail; a report about a node that is not being asked is
// ignored.
//
// # Bounds
//
// A lookup makes at most MaxQueries queries, keeps at most 8·K candidates per path and those that
// it has asked, and remembers the IDs of at most MaxQueries·MaxFound nodes plus 8·K seeds. An
// answer with more than MaxFound nodes is cut. A Lookup is used by one goroutine at a time.
package lookup
