// Package load puts a node of Node Discovery v5.1 under load: it acts as thousands of other nodes,
// makes sessions by real handshakes, sends requests at a rate or as fast as they are answered,
// opens every response, and counts.
//
//	config := load.Config{Target: target, Mix: load.Only(load.Ping), Identities: 1000, Window: 256}
//	g, err := load.New(config)
//	if err != nil { … }
//	defer g.Close()
//	if err := g.Prepare(ctx, nil); err != nil { … }
//	result, err := g.Run(ctx, load.Plan{For: 10 * time.Second})
//
// A [Generator] can run many times in a row, and several generators can run at a time, each with
// its own figures: for example one with established sessions at a steady rate, and one beside it
// that floods from a thousand addresses.
//
// # Glossary
//
//   - target: the node under load
//   - identity: a node that the generator acts as, with a key, a record and, after a handshake, a
//     session
//   - junk ID: a made-up node ID without a key, which junk comes from; a target can only challenge
//     it
//   - kind: the type of a request, see [Kind]; a [Mix] says how often each is sent
//   - exchange: a request and its response. It ends answered or lost; a response after that is late
//   - closed loop: a new request leaves when an old one has ended, so at most a window of requests
//     is under way
//   - open loop: requests leave by a schedule, whatever became of earlier ones
//   - intended time: when a request should have left by the schedule. Latency counts from there, so
//     neither a target that stalls nor a generator that is late can hide it
//   - sealed batch: requests of one kind that leave from one socket one after another, if possible
//     as a GSO batch
//   - worker: one goroutine with sockets, identities and exchanges of its own
//
// # How a worker works
//
//	ring: batches that were sealed while there was nothing else to do
//	  |
//	  |  as many requests as window or schedule allow
//	  v
//	exchanges, in the order of sending, for each socket ---- older than the timeout ---> lost
//	  ^                                                    kept a while to recognize late responses
//	  |  find the exchange, check the response, measure its latency
//	  |
//	datagrams from the target --- WHOAREYOU ---> handshake
//
// A packet does not name its recipient: its header is masked with the first half of the recipient's
// node ID. Where many identities share a socket, the worker therefore tries it with those that wait
// for a response, in the order of sending, starting behind the last one that was answered. Targets
// answer in order as a rule, so the first one fits, and a miss costs one AES block. Junk IDs cost
// nothing: all those of a worker have the same first half. A run with Plan.Sizes opens nothing: it
// takes responses in the order of the requests.
//
// # Ownership
//
// A worker's goroutine owns all that the worker has. Once in each interval it hands its stats to
// the goroutine of Run and takes an empty one. A Result belongs to the caller. Nothing is global.
//
// # Bounds
//
// An identity takes up to 2 KiB, an exchange 88 bytes; Config limits how many there are. A Result
// has at most MaxPoints points, and histograms have a fixed size, so a run of a day takes no more
// memory than one of an hour.
package load
