// Package discv5 is a node of the Node Discovery Protocol v5.1: it finds other nodes of a network,
// tells them of each other, and exchanges encrypted messages with them.
//
//	node, err := discv5.New(discv5.Config{Bootnodes: discv5.Contacts(records...)})
//	if err != nil { … }
//	if err := node.Start(ctx); err != nil { … }
//	defer node.Close()
//	found, err := node.Lookup(ctx, target)
//
// A [Node] listens on UDP, answers PING, FINDNODE and TALKREQ, and keeps its table of other nodes
// full and true without being asked. Its methods may be called from several goroutines. Calls that
// wait take a context, and end with an answer, one of the errors of this package, or the context's
// error.
//
// # How it works
//
// One goroutine for each socket receives datagrams in batches and answers them in batches, without
// a further goroutine, channel or allocation in between. Handshakes, which cost a thousand times
// as much, wait in a bounded queue for goroutines of their own. See docs/ARCHITECTURE.md.
package discv5
