package enr

import (
	"bytes"
	"testing"

	"github.com/fastdisc/discv5/internal/rlp"
)

// FuzzBuild: a record that a builder signs parses to all that was set, verifies, and has one text.
// A reader would refuse what the builder refuses.
func FuzzBuild(f *testing.F) {
	f.Add(uint64(1), "eth2", []byte{0xc1, 0x80}, "app", []byte("value"), uint16(9000))
	f.Add(^uint64(0), "udp", []byte{0x82, 0x23, 0x28}, "tcp", []byte{0x23, 0x28}, uint16(1))
	f.Add(uint64(0), "", []byte{}, "id", []byte("v5"), uint16(0))
	f.Add(uint64(0), "zz", []byte{0x81, 0x05}, "zz", bytes.Repeat([]byte{7}, 300), uint16(65535))
	key := testKey(f, 1)
	f.Fuzz(func(t *testing.T, seq uint64, name string, value []byte, other string, text []byte, port uint16) {
		r, err := NewBuilder().SetSeq(seq).Set(name, value).SetBytes(other, text).SetQUIC(port).Sign(key)
		if err != nil {
			if r != nil {
				t.Fatal("record and error")
			}
			return
		}
		back, err := Parse(bytes.Clone(r.Bytes()))
		if err != nil || !bytes.Equal(back.Bytes(), r.Bytes()) {
			t.Fatalf("%x does not read back: %v", r.Bytes(), err)
		}
		if back.ID() != key.ID() || back.Seq() != seq || len(r.Bytes()) > MaxSize {
			t.Fatalf("record of %v, seq %d, %d bytes", back.ID(), back.Seq(), len(r.Bytes()))
		}
		if p, err := ParseText(r.String()); err != nil || !p.Equal(r.View()) {
			t.Fatalf("%s does not read back: %v", r, err)
		}
		set := map[string][]byte{name: value} // later calls replace earlier values
		set[other] = rlp.AppendString(nil, text)
		set["quic"] = rlp.AppendUint64(nil, uint64(port))
		delete(set, "id")
		delete(set, "secp256k1")
		pairs := 2
		for k, want := range set {
			if got, ok := back.View().Get(k); !ok || !bytes.Equal(got, want) {
				t.Fatalf("%q is %x, want %x", k, got, want)
			}
			pairs++
		}
		for range back.View().Pairs() {
			pairs--
		}
		if pairs != 0 {
			t.Fatalf("%s has %d pairs less than were set", r, pairs)
		}
	})
}
