package diff

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	gethenr "github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"
	"golang.org/x/crypto/sha3"

	"github.com/fastdisc/discv5/enr"
	ourrlp "github.com/fastdisc/discv5/internal/rlp"
)

// key signs the records of the targets.
var key = mustKey("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291")

func mustKey(s string) *enr.PrivateKey {
	k, err := enr.ParsePrivateKeyHex(s)
	if err != nil {
		panic(err)
	}
	return k
}

// pair is a key and its RLP value in a record.
type pair struct{ key, value string }

// content returns seq and pairs, with those that scheme v4 needs, sorted but not otherwise checked.
func content(pairs ...pair) []byte {
	pub := key.PublicKey()
	pairs = append(pairs, pair{"id", "\x82v4"}, pair{"secp256k1", string(ourrlp.AppendString(nil, pub[:]))})
	slices.SortStableFunc(pairs, func(a, b pair) int { return bytes.Compare([]byte(a.key), []byte(b.key)) })
	b := []byte{1}
	for _, p := range pairs {
		b = append(ourrlp.AppendString(b, []byte(p.key)), p.value...)
	}
	return b
}

// sign returns a record with any content.
func sign(content []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(ourrlp.AppendListHeader(nil, len(content)))
	h.Write(content)
	sig, err := key.Sign((*[32]byte)(h.Sum(nil)))
	if err != nil {
		panic(err)
	}
	payload := append(ourrlp.AppendString(nil, sig[:]), content...)
	return append(ourrlp.AppendListHeader(nil, len(payload)), payload...)
}

func signed(pairs ...pair) []byte { return sign(content(pairs...)) }

// gethRecord decodes and verifies a record with go-ethereum.
func gethRecord(b []byte) (*enode.Node, error) {
	var r gethenr.Record
	if err := rlp.DecodeBytes(b, &r); err != nil {
		return nil, err
	}
	return enode.New(enode.ValidSchemes, &r)
}

func recordVerdict(b []byte) (ours, theirs error) {
	_, ours = enr.Parse(b)
	_, theirs = gethRecord(b)
	return ours, theirs
}

func FuzzRecord(f *testing.F) {
	f.Add(signed(), false)
	for _, o := range oddRecords {
		f.Add(o.record, false)
	}
	for _, d := range differences {
		if d.target == "record" {
			f.Add([]byte(d.sample), false)
		}
	}
	f.Add(content(pair{"ip", "\x84\x01\x02\x03\x04"}, pair{"udp", "\x82\x23\x28"}), true)
	f.Add(content(pair{"ip6", "\x90\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"}, pair{"tcp6", "\x05"}, pair{"udp6", "\x80"}), true)
	f.Add(content(pair{"", "\xc0"}, pair{"quic", "\x82\x23\x29"}, pair{"z", "\xc3\x01\xc1\x80"}), true)
	f.Fuzz(func(t *testing.T, b []byte, asContent bool) {
		if asContent {
			if len(b) > 400 {
				return
			}
			b = sign(b)
		}
		if agree(t, "record", b) {
			compareRecords(t, b)
		}
	})
}

// compareRecords compares everything in a record that both accept.
func compareRecords(t *testing.T, b []byte) {
	ours, err := enr.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	theirs, _ := gethRecord(b)
	if enode.ID(ours.ID()) != theirs.ID() || ours.Seq() != theirs.Seq() || !bytes.Equal(ours.Signature(), theirs.Record().Signature()) {
		t.Fatalf("node %s seq %d, theirs %s %d", ours.ID(), ours.Seq(), theirs.ID(), theirs.Seq())
	}
	back, err := rlp.EncodeToBytes(theirs.Record())
	if err != nil || !bytes.Equal(back, ours.Bytes()) || !bytes.Equal(back, b) {
		t.Fatalf("%x came back as %x and %x", b, ours.Bytes(), back)
	}
	if text := ours.String(); text != theirs.String() {
		t.Fatalf("text %s, theirs %s", text, theirs)
	}
	for _, d := range readingDifferences(ours, theirs) {
		if _, known := readings[d.name]; !known {
			t.Fatal(d.text)
		}
	}
	for k, v := range ours.Pairs() {
		var raw rlp.RawValue
		if err := theirs.Load(gethenr.WithEntry(string(k), &raw)); err != nil || !bytes.Equal(raw, v) {
			t.Fatalf("key %q: %x, theirs %x, %v", k, v, raw, err)
		}
	}
}
