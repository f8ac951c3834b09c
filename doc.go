// Package discv5 is a node of the Node Discovery Protocol v5.1. It finds other nodes of a
// peer-to-peer network, tells them about each other, and exchanges encrypted messages with them.
//
//	node, err := discv5.New(discv5.Config{Bootnodes: discv5.Contacts(records...)})
//	if err != nil { … }
//	if err := node.Start(ctx); err != nil { … }
//	defer node.Close()
//	found, err := node.Lookup(ctx, target)
//
// A [Node] listens on UDP, answers other nodes, and keeps its table of nodes full and up to date
// without being asked. Its methods may be called from several goroutines. Calls that wait take a
// context and end with an answer, one of the errors of this package, or the context's error. Use
// [errors.Is] to distinguish errors.
//
// # What a program does with a node
//
// pkg.go.dev shows an example for each purpose.
//
//   - Run: [New] with a [Config], [Node.Start], [Node.Close], [Node.Done], [Node.Err], [Node.ID],
//     [Node.Addrs], [Node.Sockets], [Node.SourceFilter]
//   - Name nodes: [ContactOf], [Contacts], [ParseContact], [ParseContacts], [EnodeContact],
//     [ContactAt], [ListedContacts]
//   - Ask one node: [Node.Ping], [Node.FindNode], [Node.RequestENR], with [WithTimeout]
//   - Find nodes: [Node.Lookup], [Node.LookupWhere], [Node.Search], [Node.RandomNodes],
//     [Node.Resolve]
//   - Combine results: [Filter], [Mix], [NewIterator]
//   - Speak your own protocol: [Node.HandleTalk], [Node.Talk], [Node.SendTalk], [Node.TalkPanics]
//   - Advertise and find topics: [Node.AdvertiseTopic], [Node.LookupTopic], [Node.SearchTopic]; as
//     a registrar [Node.TopicAds], [Node.TopicStats], [Node.LargestTopics]; one request at a time
//     [Node.RegisterTopic], [Node.QueryTopic]
//   - Set the local record and address: Config.Entries, [Node.LocalRecord], [Node.UpdateRecord],
//     [Node.SetEndpoint], [Node.ReleaseEndpoint], [Node.RefreshAddresses], [Node.AddressState],
//     [Node.AddressStates]
//   - Read and change the table: [Node.Nodes], [Node.AllNodes], [Node.Known], [Node.Bucket],
//     [Node.AddNode], [Node.RemoveNode], [Node.DemoteNode], [Node.ApplyTableFilter]
//   - Stay in contact: [Node.AddStaticNode], [Node.RemoveStaticNode], [Node.AddTrustedNode],
//     [Node.StaticNodes], [Node.SetBootnodes], [Node.Sessions], [Node.SessionOf]
//   - Choose the nodes to talk to: [Node.Ban], [Node.Unban], [Node.Permit], [Node.Unpermit],
//     [Node.Restrict], [Node.Bans], Config.TableFilter
//   - Remember between runs: Config.Store and package nodestore
//   - Watch: [Node.Subscribe], [Node.Stats], [Node.Latency], [Node.LimitedSources], Config.Logger
//   - Find out why nobody answers: [Node.Diagnose], [Node.Bootnodes]
//   - Share a socket with another protocol: [NewPacketConn], Config.PacketConns, [Node.WriteTo]
//
// # Other packages
//
//   - enr: node records, keys and IDs
//   - nodestore: a file for Config.Store
//   - dnsdisc: lists of nodes in DNS
//   - forks: chains of Ethereum, by the entries of records
//   - nat: port mappings by UPnP and NAT-PMP, external addresses by STUN
//   - limits: bans, permits and rates
//   - topic: topic advertisement
//   - simnet: networks of whole nodes on virtual time, for tests
//   - table, codec, aead, fastpath: the parts of a node, for other implementations and for tools
//
// # How it works
//
// One goroutine per socket receives datagrams in batches and answers them in batches, without
// another goroutine, channel or allocation in between. Handshakes, which cost a thousand times as
// much, wait in a bounded queue for goroutines of their own. See docs/ARCHITECTURE.md.
//
// # Stability
//
// Before v1.0.0 any release may change the API, and CHANGELOG.md lists each change under Breaking.
// From v1.0.0 on, all packages outside of internal follow semantic versioning.
package discv5
