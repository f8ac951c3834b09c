// Package dnsdisc reads and makes lists of nodes that are published in DNS (EIP-1459, dnsdisc.md):
// signed Merkle trees of node records in TXT records, named by a URL that begins with enrtree://.
//
// # Glossary
//
//   - tree: one list: a root and its entries, below one domain
//   - link: the URL of a tree, enrtree://KEY@DOMAIN; whoever has it can verify the tree
//   - root: the text at the domain itself: hashes of the two subtrees, sequence number, signature
//   - entry: a text below the domain: a branch, a record or a link
//   - hash: the start of keccak256 of an entry's text, 12 to 32 bytes in base32; the label under
//     which the entry stands
//   - branch: an entry that lists hashes of further entries
//   - records subtree, links subtree: what can be reached from the root's two hashes; the first has
//     records, the second links
//   - walk: reading a tree and, by its links, others
//
// # A tree
//
//	example.org                             enrtree-root:v1 e=JWXY... l=C7HR... seq=1 sig=o908...
//	JWXYDBPXYWG6FX3GMDIBFA6CJ4.example.org  enrtree-branch:2XS2...,H4FH...
//	2XS2367YHAXJFGLZHVAWLQD4ZY.example.org  enr:-HW4Q...
//	C7HRFPF3BLGF3YR4DY5KX3SMBE.example.org  enrtree://AM5F...@morenodes.example.org
//
// The root's signature and the hashes make every entry as good as signed: who answers DNS queries
// can hold entries back, or show an older tree to who has seen no newer one, and nothing else.
//
// # Who is trusted with what
//
// The owner of a tree decides which records it has and to which trees it links. He is not trusted
// with the reader's memory, time or bandwidth: a [Client] bounds entries, depth, links, requests
// and their rate, and goes round no cycle; see [Limits]. Records are verified, but that a node
// exists is not: treat them as bootnodes.
//
// # What goes wrong
//
// A bad entry, and whatever hangs below it, is left out and reported by an [Error] that tells name
// and text; the rest of the tree is used.
//
// # Who owns what
//
// A [Client] may be used by several goroutines; it keeps the highest sequence number seen of each
// tree and the time of the next DNS request, nothing else. A walk's state belongs to the goroutine
// that ranges over it. Its requests run in goroutines of their own, [Limits.Concurrency] at most;
// when the walk ends they are canceled and end by themselves.
package dnsdisc
