// Package simnet is a network of discv5 nodes inside one process, on virtual time. The nodes are
// whole ones, of type [github.com/fastdisc/discv5.Node]: you call the methods that a program calls.
// A day passes in seconds to minutes, and a seed makes a run happen again, datagram for datagram.
//
// Use it in tests of a program that embeds the library. Datagrams are late, lost, duplicated and
// reordered; nodes sit behind NATs, crash, come back, are suspended and have their clocks moved;
// the network splits and heals; attackers send under addresses that are not theirs. All along, an
// audit checks what must hold whatever happens.
//
//	n := simnet.ForTest(t, simnet.Config{Seed: 1, Conditions: simnet.Conditions{Loss: 0.1}})
//	server, err := n.Add(simnet.NodeConfig{New: newServer}) // discv5.New, TALK handlers
//	client, err := n.Add(simnet.NodeConfig{Bootnodes: []*simnet.Node{server}})
//	response, err := client.Node().Talk(ctx, server.Contact(), "chat", []byte("hello"))
//
// # Glossary
//
//   - network: all nodes and sockets, and the one virtual clock
//   - node: a machine with one or two addresses, a clock of its own, and a discv5 node on it
//   - socket: an address that a test sends from and receives at directly, such as an attacker's
//   - place: a point on the globe; the delay of a datagram follows from the places of its ends
//   - conditions: delay, loss and duplication of datagrams
//   - NAT: a box with one public address and hosts behind it
//   - side: the part of a network that has split in which a node is
//   - fate: what became of a datagram
//   - trace: a hash of every datagram, its time and its fate; equal traces mean equal runs
//   - audit: the checks of the invariants, see [Violation]
//   - swarm: a population of nodes that come and go, and the measurements of it
//
// # How it runs
//
// The network keeps a heap of events in order of time: a datagram arrives, a node's tick is due, a
// function of the test is called. The goroutine that lets time pass takes the earliest event, sets
// the clock to its time and handles it. Nothing happens in between.
//
//	program ── discv5.Node ── Conn ──┐
//	              ▲                  ▼
//	              └── machine ◄── Network: events (datagrams under way, ticks, functions)
//	                                 ├─ Node, Socket   address → host: the routes
//	                                 └─ NAT            mappings, hosts behind it
//
// A node that is given the Conns of a machine starts no goroutines. The network calls it when a
// datagram has arrived, when a handshake waits, and when its engine has something to do: on the
// grid of 50 ms on which a node on sockets is always ticked, and at least every ten minutes. The
// ticks that are left out would have done nothing. The node takes its time and its randomness from
// the machine, and shares with the other nodes of the network what it can: verified records and
// buffers.
//
// Time passes in one of three ways:
//
//   - [Network.Run] and [Network.RunUntil] let it pass.
//   - A method of a node that waits for an answer, such as Ping, Talk or Lookup, lets it pass until
//     the answer is there. So do TALK handlers and other goroutines that [Network.Go] has started:
//     one of them runs at a time, and the order depends on the seed alone.
//   - [Network.Live] has it pass with the system's clock. In a bubble of [testing/synctest] nobody
//     waits for that, and a program may have goroutines, channels, timers and contexts as it likes.
//     Their order is then up to the scheduler.
//
// Functions that the network calls while it handles an event must not wait: those given to At,
// After, SetFilter and Config.OnDatagram, Socket receivers, table filters and SaveRecord. A method
// that waits returns [ErrNested] there. Use Go.
//
// # Who owns what
//
// Unless it is live, one goroutine at a time may use a Network and all that belongs to it.
// Goroutines that Go starts may use it too. Networks have nothing in common: tests with networks of
// their own may run in parallel. Slices handed to a function of the test are valid during the call.
//
// # Cryptography
//
// All of it is real unless [Config].InsecureCurve is set: then hashes replace the arithmetic of
// handshakes, which takes a hundredth of the time and is no cryptography at all. Records, ciphers
// and packets stay real.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package simnet
