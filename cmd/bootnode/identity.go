package main

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"slices"

	"github.com/fastdisc/discv5/enr"
)

// identityView is /eth/v1/node/identity of the Ethereum beacon node API. A bootnode speaks no
// libp2p: there are no p2p_addresses, and metadata is that of a node without subscriptions. The
// peer ID is the one that belongs to its key.
type identityView struct {
	Data struct {
		PeerID    string       `json:"peer_id"`
		ENR       string       `json:"enr"`
		P2P       []string     `json:"p2p_addresses"`
		Discovery []string     `json:"discovery_addresses"`
		Metadata  metadataView `json:"metadata"`
	} `json:"data"`
}

type metadataView struct {
	SeqNumber string `json:"seq_number"`
	Attnets   string `json:"attnets"`
	Syncnets  string `json:"syncnets"`
}

func (p pages) identity(rw http.ResponseWriter, _ *http.Request) {
	writeJSON(rw, identityOf(p.node.LocalRecord()))
}

func identityOf(r *enr.Record) (v identityView) {
	d := &v.Data
	pub, _ := r.PublicKey() // a record of scheme v4 has one
	d.PeerID, d.ENR = peerID(pub), r.String()
	d.P2P, d.Discovery = []string{}, []string{}
	for _, end := range []func() (netip.AddrPort, bool){r.UDPEndpoint4, r.UDPEndpoint6} {
		if a, ok := end(); ok {
			d.Discovery = append(d.Discovery, multiaddr(a, d.PeerID))
		}
	}
	d.Metadata = metadataView{"0", "0x" + hex.EncodeToString(make([]byte, 8)), "0x00"}
	return v
}

// multiaddr is the libp2p form of a UDP endpoint.
func multiaddr(a netip.AddrPort, peer string) string {
	family := "ip4"
	if a.Addr().Is6() {
		family = "ip6"
	}
	return fmt.Sprintf("/%s/%s/udp/%d/p2p/%s", family, a.Addr(), a.Port(), peer)
}

// peerID is the libp2p peer ID of a public key: base58 of its protobuf form behind the header of an
// identity multihash.
//
//	00 25                   identity, 37 bytes
//	      08 02             key type Secp256k1
//	            12 21 ...   key, 33 bytes
func peerID(pub [33]byte) string {
	b := append([]byte{0x00, 0x25, 0x08, 0x02, 0x12, 0x21}, pub[:]...)
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	var text []byte
	base, digit := big.NewInt(int64(len(digits))), new(big.Int)
	for n := new(big.Int).SetBytes(b); n.Sign() > 0; {
		n.DivMod(n, base, digit)
		text = append(text, digits[digit.Int64()])
	}
	for _, zero := range b { // each leading zero byte is a digit of its own
		if zero != 0 {
			break
		}
		text = append(text, digits[0])
	}
	slices.Reverse(text)
	return string(text)
}
