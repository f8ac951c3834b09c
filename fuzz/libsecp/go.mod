module github.com/fastdisc/discv5/fuzz/libsecp

go 1.26.0

require (
	github.com/ethereum/go-ethereum v1.17.10
	github.com/fastdisc/discv5 v0.0.0
)

require (
	github.com/decred/dcrd/dcrec/secp256k1/v4 v4.4.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/fastdisc/discv5 => ../..
