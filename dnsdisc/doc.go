// Package dnsdisc reads and creates lists of nodes in DNS (EIP-1459, dnsdisc.md): signed Merkle
// trees of node records in TXT records. The URL of a list begins with enrtree://.
//
// # Terminology
//
//	tree      one list: a root and its entries, below one domain
//	link      the URL of a tree, enrtree://KEY@DOMAIN, which suffices to verify the tree
//	root      the text at the domain: hashes of the two subtrees, sequence number, signature
//	entry     a text below the domain: a branch, a record or a link
//	hash      the first 12 to 32 bytes of keccak256 of an entry's text in base32; the DNS label
//	          of the entry
//	branch    an entry that lists hashes of further entries
//	subtree   the entries reachable from one of the root's two hashes: the records subtree
//	          contains records, the links subtree links
//	walk      reading a tree and the trees that it links to
//
// # A tree
//
//	example.org                             enrtree-root:v1 e=JWXY... l=C7HR... seq=1 sig=o908...
//	JWXYDBPXYWG6FX3GMDIBFA6CJ4.example.org  enrtree-branch:2XS2...,H4FH...
//	2XS2367YHAXJFGLZHVAWLQD4ZY.example.org  enr:-HW4Q...
//	C7HRFPF3BLGF3YR4DY5KX3SMBE.example.org  enrtree://AM5F...@morenodes.example.org
//
// The root's signature and the hashes authenticate every entry. A DNS server can only withhold
// entries, or serve an older tree to a reader that has not seen a newer one.
//
// # Trust
//
// The owner of a tree decides which records it contains and to which trees it links. The reader
// does not trust the owner with memory, time or bandwidth: a [Client] bounds entries, depth, links,
// requests and their rate, and detects cycles; see [Limits]. Records are verified, but their nodes
// may not exist: treat them as bootnodes.
//
// # Errors
//
// A bad entry and everything below it is left out and reported as an [Error] with name and text.
// The rest of the tree is used.
//
// # Ownership
//
// A [Client] is safe for concurrent use. It keeps the highest known sequence number of each tree
// and the time of the next DNS request, nothing else. A walk's state belongs to the goroutine that
// ranges over it. At most [Limits.Concurrency] other goroutines make its requests. The end of the
// walk cancels them.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package dnsdisc
