// Package archtest holds the rules of the whole module: which package may import which, which
// sources need what comments, and how long a file may be. It has tests only. They read the sources
// of all platforms, whatever the one they run on.
//
// The picture:
//
//	cmd -> discv5 -> engine -> {session, table, lookup} -> {codec, aead, enr} -> internal/{rlp, curve}
//	              -> fastpath, nat
//	engine -> limits
//	cmd -> dnsdisc -> enr
//
// A package may import every package to the right of it, and all may import internal/netaddr.
// fastpath, limits and nat import nothing else of the module. Packages internal/...test are for
// tests alone. A new package needs an entry in the table of deps_test.go.
package archtest
