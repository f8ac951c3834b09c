// Package load puts a node of Node Discovery v5.1 under load: it plays thousands of other nodes,
// makes sessions by real handshakes, sends requests at a rate or as fast as they are answered,
// opens every answer, and counts.
//
//	g, err := load.New(load.Config{Target: target, Mix: load.Only(load.Ping), Identities: 1000, Window: 256})
//	if err != nil { … }
//	defer g.Close()
//	if err := g.Prepare(ctx, nil); err != nil { … }
//	result, err := g.Run(ctx, load.Plan{For: 10 * time.Second})
//
// A [Generator] can run many times in a row, and several generators can run at a time, each with
// figures of its own: say one with established sessions at a steady rate, and beside it one that
// floods from a thousand addresses.
//
// # Glossary
//
//   - target: the node under load
//   - identity: a node that the generator plays, with key, record and, once a handshake is through,
//     a session
//   - stranger: a made-up node ID without a key; a target can only challenge it
//   - kind: what is asked, see [Kind]; a [Mix] says how often each is
//   - exchange: a request and what answers it. It ends answered or lost; an answer after that is
//     late
//   - closed loop: a new request leaves when an old one has ended, so that never more than a window
//     is under way
//   - open loop: requests leave by a schedule, whatever became of earlier ones
//   - intended time: when a request should have left by the schedule. Latency counts from there, so
//     that neither a target that stalls nor a generator that is late can hide it
//   - train: requests of one size from one socket that leave in one system call
//   - worker: one goroutine with sockets, identities and exchanges of its own
//
// # How a worker works
//
//	ring: trains that were sealed while there was nothing else to do
//	  |
//	  |  as many requests as window or schedule allow
//	  v
//	exchanges, in the order of sending, for each socket ---- older than the timeout ---> lost
//	  ^                                                                                  kept a while to tell late answers
//	  |  who is it for? is it whole? how long did it take?
//	  |
//	datagrams from the target --- WHOAREYOU ---> handshake
//
// A packet does not say whom it is for: its header is masked with the first half of the recipient's
// node ID. Where many identities share a socket it is therefore tried with those who wait for an
// answer, in the order of sending, beginning behind the last one that was answered. As targets
// answer in order the first one fits as a rule, and a miss costs one AES block. Strangers cost
// nothing: all those of a worker have the same first half.
//
// # Who owns what
//
// A worker's goroutine owns all that the worker has. Once in each interval it hands its stats to the
// goroutine of Run and takes an empty one. A Result belongs to the caller. Nothing is global.
//
// # Bounds
//
// An identity takes up to 2 KiB, an exchange 88 bytes; their numbers are bounded by Config. The
// points of a Result are at most MaxPoints, and histograms have a fixed size, so a run of a day
// takes no more memory than one of an hour.
package load
