// Package forks says which nodes belong to a chain of Ethereum, by the entries of their records.
//
// A [Consensus] computes the fork digests of a consensus chain, and an [Execution] the fork IDs of
// an execution chain. Both are a [Chain]: it knows all forks that are planned, and so what a record
// says now, when that changes, and whether another node's record is of the same chain.
//
//	c, err := forks.ByName("mainnet", forks.ConsensusLayer)
//	filter := forks.NewFilter(c, time.Now)
//	node, err := discv5.New(discv5.Config{
//		Entries:     func(b *enr.Builder) { c.SetEntries(b, time.Now()) },
//		TableFilter: filter.Allow,
//	})
//	go forks.Follow(ctx, node, c, nil)
//
// [ByName] has the public networks that this package knows. [ParseConsensusConfig] reads the
// config.yaml of a consensus chain, and [ParseGenesis] the genesis.json of go-ethereum, from which
// it computes the hash of the genesis block.
//
// A program knows only the forks that were planned when it was built or configured. Nodes that
// follow a later fork are [Foreign] to it from then on.
//
// Specifications: EIP-2124 and EIP-6122 (fork IDs), EIP-7892 (forks that change blob parameters
// only), and in the consensus specifications phase0/p2p-interface.md and fulu/p2p-interface.md.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning. The
// forks that it knows of public networks change with each release.
package forks
