package session

import (
	"testing"

	"github.com/fastdisc/discv5/aead"
)

// TestHandshakeErasesOperands: the operands of a handshake, including private scalars, are erased
// when the next handshake reuses the memory.
func TestHandshakeErasesOperands(t *testing.T) {
	a, b := newNode(t, 1), newNode(t, 2)
	steps := map[string]func(){
		"Initiate": func() { a.answer(t, newChallenge(b.random, 0), b, nil) },
		"Accept": func() {
			ch := newChallenge(b.random, 0)
			p := b.decode(t, a.answer(t, ch, b, a.record.Bytes()).encode(t, a.random, "hello", b.id()))
			if _, err := b.Accept(ch, p, nil); err != nil {
				t.Fatal(err)
			}
		},
		"Accept fails": func() {
			ch := newChallenge(b.random, 0)
			p := b.decode(t, a.answer(t, ch, b, a.record.Bytes()).encode(t, a.random, "hello", b.id()))
			p.Signature[5] ^= 1
			if _, err := b.Accept(ch, p, nil); err == nil {
				t.Fatal("a bad signature is taken")
			}
		},
	}
	for name, step := range steps {
		found := 0
		// A pool may drop its objects; under the race detector it does so on purpose.
		for try := 0; try < 100 && found == 0; try++ {
			step()
			for _, n := range []*node{a, b} {
				w, ok := n.scratch.Get().(*operands)
				if !ok {
					continue
				}
				found++
				rest := *w
				rest.message = operands{}.message
				if rest != (operands{}) {
					t.Errorf("%s: operands are left: %x", name, rest.scalar)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s: no operands in the pool", name)
		}
	}
}

// TestEraseKeys: keys that ciphers have taken over are overwritten, and the ciphers keep working.
func TestEraseKeys(t *testing.T) {
	read, write := [aead.KeySize]byte{1}, [aead.KeySize]byte{2}
	k := NewKeys(&read, &write)
	eraseKeys(&read, &write)
	if read != [aead.KeySize]byte{} || write != [aead.KeySize]byte{} {
		t.Error("something of the keys is left")
	}
	other := NewKeys(&[aead.KeySize]byte{2}, &[aead.KeySize]byte{1})
	sealed := k.Seal(nil, new([aead.NonceSize]byte), []byte("text"), nil)
	if text, err := other.Open(new([aead.NonceSize]byte), sealed, nil); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
}
