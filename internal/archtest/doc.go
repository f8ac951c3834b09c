// Package archtest checks rules for the whole repository that compilers and linters do not check.
// It has tests only. They read the sources of all platforms, on any platform.
//
//	imports_test.go   a package imports only what .golangci.yml allows
//	deps_test.go      no package depends on another Ethereum client
//	api_test.go       the public API names no internal type
//	docs_test.go      packages and exported names have doc comments
//	text_test.go      length of files, notes about unfinished work, programs in README.md
//	language_test.go  words and constructions that comments, texts and documents avoid
//	names_test.go     tests and files that documents name exist
//	limits_test.go    the numbers of docs/LIMITS.md are those of the code
//
// # Layers
//
//	cmd -> discv5 -> engine -> {session, table, lookup} -> {codec, aead, enr}
//	              -> fastpath, nat
//	{codec, aead, enr} -> internal/{rlp, curve}
//	engine -> internal/limiter -> limits
//	cmd -> dnsdisc -> enr
//
// A package may import the packages to its right, and any package may import internal/netaddr. The
// rules are in .golangci.yml, where the linter depguard reads them too. A new package needs a rule
// there.
package archtest
