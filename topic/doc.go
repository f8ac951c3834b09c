// Package topic implements topic advertisement (discv5-theory.md, Topic-based Service Discovery)
// without input or output: it has no clock, socket or goroutine. Time is a time.Duration since
// whatever moment the caller chooses, and randomness comes in.
//
// # Glossary
//
//   - topic: a 32-byte service identifier, a point in the space of node IDs. [Of] makes one from
//     a name.
//   - registrar: a node that stores advertisements for others; see [Registrar].
//   - advertiser: a node that places its own record at registrars; see [Advertiser].
//   - discoverer: a node that asks registrars for advertisers; see [Search].
//   - ad: an advertisement, that is, a topic and the advertiser's record. It lives for E, the
//     lifetime.
//   - ad cache: the ads that a registrar holds, at most C, the capacity.
//   - waiting time: how long an advertiser must have waited, counted from its first request, until
//     the registrar admits its ad. It grows with the occupancy of the cache, with the ads of the
//     same topic and with the ads of similar addresses.
//   - score: how similar an address is to those of the cached ads, 0 to 1.
//   - quote: the waiting time that a registrar tells an advertiser. It binds nobody.
//   - ticket: an opaque proof, carried by the advertiser, of when it asked first.
//   - chain: the requests of one advertiser at one registrar, each with the ticket of the previous
//     one, from the first request to the admission.
//   - window: the time in which a ticket counts. It opens when the quoted wait has passed.
//   - lower bound: what keeps a second quote from beating an earlier one by more than the time
//     that has passed.
//   - auxiliary record: routing help in an answer, a capable node at a requested distance from the
//     topic.
//   - capable: said of a node whose record has the capability entry; see enr.View.TopicVersion.
//   - service table: capable nodes by their distance from one topic; see [Table].
//
// # Bounds
//
// Nothing grows with the number of requests. A Registrar keeps at most C ads and no state for
// pending registrations. Its memory is taken in chunks while the cache fills, at most about 500
// bytes for each ad of the capacity, and stays. Register and Sample allocate nothing but those
// chunks, and a key every half hour.
//
// # Concurrency
//
// A Registrar may be shared between goroutines: it has a mutex, and encrypts and decrypts tickets
// outside it. An Advertiser, a Search and a Table belong to one goroutine at a time.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package topic
