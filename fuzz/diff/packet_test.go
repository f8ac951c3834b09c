package diff

import (
	"bytes"
	"crypto/ecdsa"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common/mclock"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5/codec"
)

// local is one of their nodes. It is made once, because its database is the most expensive part.
type local struct {
	node *enode.LocalNode
	key  *ecdsa.PrivateKey
}

var theirNode = sync.OnceValue(func() local {
	k, err := crypto.HexToECDSA(strings.Repeat("42", 32))
	if err != nil {
		panic(err)
	}
	db, err := enode.OpenDB("")
	if err != nil {
		panic(err)
	}
	n := enode.NewLocalNode(db, k)
	n.SetStaticIP([]byte{1, 2, 3, 4})
	n.SetFallbackUDP(30303)
	n.Node() // this signs the record
	return local{n, k}
})

func (l local) id() [32]byte { return l.node.ID() }

func (l local) codec() *v5wire.Codec { return v5wire.NewCodec(l.node, l.key, mclock.System{}, nil) }

// theirAddr is the source of all packets to theirs.
const theirAddr = "1.1.1.1:1"

// masked returns the datagram to their node of an unmasked packet.
func masked(b []byte) []byte {
	m := bytes.Clone(b)
	if len(m) > codec.IVSize {
		end := len(m)
		if len(m) >= 39 {
			end = min(end, 39+int(m[37])<<8+int(m[38]))
		}
		id := theirNode().id()
		codec.MaskHeader(m, end, &id)
	}
	return m
}

func decodePackets(b []byte) (p codec.Packet, ours error, src enode.ID, q v5wire.Packet, theirs error) {
	id := theirNode().id()
	ours = codec.NewDecoder(&id, codec.DefaultProtocol).Decode(masked(b), &p)
	src, _, q, theirs = theirNode().codec().Decode(masked(b), theirAddr)
	if theirs != nil && strings.Contains(theirs.Error(), "not in handshake") {
		theirs = nil // the form is valid; only the challenge is missing
	}
	return p, ours, src, q, theirs
}

func packetVerdict(b []byte) (ours, theirs error) {
	_, ours, _, _, theirs = decodePackets(b)
	return ours, theirs
}

// FuzzPacket reads an unmasked packet, and masks it first.
func FuzzPacket(f *testing.F) {
	for _, b := range samplePackets() {
		f.Add(b)
	}
	for _, d := range differences {
		if d.target == "packet" {
			f.Add([]byte(d.sample))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !agree(t, "packet", b) {
			return
		}
		p, _, src, q, _ := decodePackets(b)
		if p.Flag != codec.FlagWhoareyou && src != enode.ID(p.SourceID) {
			t.Fatalf("source %x, theirs %x", p.SourceID, src)
		}
		switch p.Flag {
		case codec.FlagMessage:
			u, ok := q.(*v5wire.Unknown)
			if !ok || u.Nonce != p.Nonce {
				t.Fatalf("nonce %x, theirs %+v", p.Nonce, q)
			}
		case codec.FlagWhoareyou:
			w, ok := q.(*v5wire.Whoareyou)
			if !ok || w.Nonce != p.Nonce || w.IDNonce != p.IDNonce || w.RecordSeq != p.RecordSeq || !bytes.Equal(w.ChallengeData, p.AD) {
				t.Fatalf("%+v, theirs %+v", p, q)
			}
		}
	})
}

// samplePackets returns one unmasked packet of each kind.
func samplePackets() [][]byte {
	var iv [codec.IVSize]byte
	var idNonce [codec.IDNonceSize]byte
	var sig [codec.SignatureSize]byte
	var eph [codec.EphemeralKeySize]byte
	nonce, source := codec.Nonce{1}, [32]byte{2}
	body := make([]byte, 24)
	return [][]byte{
		append(codec.AppendMessageHeader(nil, codec.DefaultProtocol, &iv, &nonce, &source), body...),
		codec.AppendWhoareyou(nil, codec.DefaultProtocol, &iv, &nonce, &idNonce, 7),
		append(codec.AppendHandshakeHeader(nil, codec.DefaultProtocol, &iv, &nonce, &source, &sig, &eph, nil), body...),
		append(codec.AppendHandshakeHeader(nil, codec.DefaultProtocol, &iv, &nonce, &source, &sig, &eph, signed()), body...),
	}
}

// largeRecord returns a handshake packet with a record of 301 bytes.
func largeRecord() []byte {
	var iv [codec.IVSize]byte
	var sig [codec.SignatureSize]byte
	var eph [codec.EphemeralKeySize]byte
	nonce, source := codec.Nonce{1}, [32]byte{2}
	return append(codec.AppendHandshakeHeader(nil, codec.DefaultProtocol, &iv, &nonce, &source, &sig, &eph, make([]byte, 301)), make([]byte, 24)...)
}
