// Package nodestore keeps the memory of a discv5 node between two runs in a file: its own record,
// whose sequence number must never fall back, the states of its own addresses, and up to
// [MaxNodes] other nodes that it can start from.
//
//	store, err := nodestore.Open(filepath.Join(dir, "nodes.db"))
//	if err != nil { … }
//	defer store.Close()
//	node, err := discv5.New(discv5.Config{PrivateKey: key, Store: store})
//
// Close the node before the store.
//
// The file is a bbolt database. Each save is one transaction, so a process that is killed leaves
// the state before or after it. One process at a time can use a file. Records in the file are
// verified when they are read, and entries that do not hold are skipped.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
// Later versions read the files of earlier ones; an earlier version refuses the file of a later one
// with [ErrVersion] and leaves it alone.
package nodestore
