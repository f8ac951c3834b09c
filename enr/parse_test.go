package enr

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestS19Rejects: each malformed record has its own error (S19), whatever its signature.
func TestS19Rejects(t *testing.T) {
	var (
		sig  = str(strings.Repeat("s", 64))
		id   = str("id") + str("v4")
		pub  = str("secp256k1") + str("\x02"+strings.Repeat("x", 32))
		tail = id + pub
	)
	good := list(sig, num(1), tail)
	with := func(pairs ...string) string { return list(append([]string{sig, num(1)}, pairs...)...) }
	fill := func(n int) (record string) { // a record of n bytes, n > 260
		for pad := 100; len(record) < n; pad++ {
			record = with(str("a")+str(strings.Repeat("f", pad)), tail)
		}
		return record
	}
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"good", good, nil},
		{"300 bytes", fill(300), nil},
		{"no pairs but id, unknown scheme", list(str("sig"), num(1), str("id"), str("v9")), nil},
		{"unknown scheme without checks of v4", list(str(""), num(1), str("id"), str(""), str("secp256k1"), str("short")), nil},
		{"values that are lists", with(str("eth"), list(list(str("ab"), num(0)), str("")), tail), nil},
		{"empty key", with(str(""), num(1), tail), nil},
		{"largest seq", list(sig, num(1<<64-1), tail), nil},

		{"301 bytes", fill(301), ErrTooLarge},
		{"empty input", "", ErrTruncated},
		{"cut", good[:len(good)-1], ErrTruncated},
		{"header cut", good[:1], ErrTruncated},
		{"element beyond the list", list(sig, num(1), id, str("secp256k1"), "\xa1\x02"), ErrTruncated},
		{"trailing byte", good + "\x00", ErrTrailing},
		{"string", str("not a list"), ErrNotList},
		{"long header on a short list", "\xf8\x01\x80", ErrNonCanonical},
		{"header with leading zero", "\xf9\x00" + good[1:], ErrNonCanonical},
		{"long header on a short value", with("\x61", "\xb8\x01\xff", tail), ErrNonCanonical},
		{"prefixed single byte", with("\x81\x61", num(1), tail), ErrNonCanonical},
		{"prefixed single byte in a list", with(str("eth"), list(list("\x81\x01")), tail), ErrNonCanonical},
		{"value cut inside a list", with(str("eth"), list(list("\x82\x01")), tail), ErrTruncated},
		{"empty list", list(), ErrSignature},
		{"signature is a list", list(list(), num(1), tail), ErrSignature},
		{"signature of 63 bytes", list(str(strings.Repeat("s", 63)), num(1), tail), ErrSignatureSize},
		{"signature of 65 bytes", list(str(strings.Repeat("s", 65)), num(1), tail), ErrSignatureSize},
		{"no seq", list(sig), ErrSeq},
		{"seq is a list", list(sig, list(), tail), ErrSeq},
		{"seq of 9 bytes", list(sig, str("\x01"+strings.Repeat("\x00", 8)), tail), ErrSeq},
		{"seq with leading zero", list(sig, str("\x00\x01"), tail), ErrSeq},
		{"seq zero as byte", list(sig, "\x00", tail), ErrSeq},
		{"key is a list", with(list(), num(1), tail), ErrKey},
		{"key without value", with(tail, str("zz")), ErrOddElements},
		{"unsorted", with(pub, id), ErrUnsorted},
		{"unsorted by prefix", with(str("aa"), num(1), str("a"), num(1), tail), ErrUnsorted},
		{"duplicate key", with(id, id, pub), ErrDuplicateKey},
		{"duplicate empty key", with(str(""), num(1), str(""), num(1), tail), ErrDuplicateKey},
		{"no pairs", with(), ErrNoScheme},
		{"no id", with(pub), ErrNoScheme},
		{"id is a list", with(str("id"), list(), pub), ErrNoScheme},
		{"no public key", with(id), ErrNoPublicKey},
		{"public key of 32 bytes", with(id, str("secp256k1"), str(strings.Repeat("x", 32))), ErrPublicKeySize},
		{"public key of 65 bytes", with(id, str("secp256k1"), str(strings.Repeat("x", 65))), ErrPublicKeySize},
		{"public key is a list", with(id, str("secp256k1"), list()), ErrPublicKeySize},
	} {
		_, err := ParseView([]byte(c.in))
		if err != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if c.want == nil || c.want == ErrTruncated || c.want == ErrTrailing || strings.Contains(c.name, "header") {
			continue
		}
		// In a list of records the good neighbor is still parsed.
		_, rest, err := SplitView([]byte(c.in + good))
		if err != c.want || string(rest) != good {
			t.Errorf("%s, with a neighbor: got %v, rest %x", c.name, err, rest)
		}
	}
}

func TestSplitView(t *testing.T) {
	var all []byte
	var want [][]byte
	for seed := range byte(4) {
		r := testRecord(t, seed+1)
		all = append(all, r.Bytes()...)
		want = append(want, r.Bytes())
	}
	for i, b := 0, all; len(b) > 0; i++ {
		v, rest, err := SplitView(b)
		if err != nil || !bytes.Equal(v.Bytes(), want[i]) {
			t.Fatalf("record %d: %x, %v", i, v.Bytes(), err)
		}
		b = rest
	}
	if _, rest, err := SplitView(all[:10]); err != ErrTruncated || rest != nil {
		t.Errorf("cut record: rest %x, %v", rest, err)
	}
}

func TestNestingIsBounded(t *testing.T) {
	deep := ""
	for len(deep) < 140 {
		deep = list(deep)
	}
	b := list(str(strings.Repeat("s", 64)), num(1), str("eth"), deep, str("id"), str("v4"),
		str("secp256k1"), str(strings.Repeat("x", 33)))
	if _, err := ParseView([]byte(b)); err != nil {
		t.Error(err)
	}
}

func TestS19VerifyRejects(t *testing.T) {
	r := testRecord(t, 9)
	good := r.Bytes()
	at := func(what []byte) int { return bytes.Index(good, what) }
	pub, _ := r.PublicKey()
	for _, c := range []struct {
		name  string
		index int
		want  error
	}{
		{"r", at(r.Signature()), ErrBadSignature},
		{"s", at(r.Signature()) + 63, ErrBadSignature},
		{"content", at([]byte("sixteen")), ErrBadSignature},
		{"key prefix", at(pub[:]), ErrBadSignature}, // the other root
	} {
		b := bytes.Clone(good)
		b[c.index] ^= 1
		if _, err := Parse(b); err != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	b := bytes.Clone(good)
	b[at(pub[:])] = 5
	if _, err := Parse(b); err != ErrPublicKey {
		t.Errorf("key prefix 5: %v", err)
	}
	other := list(str("s"), num(1), str("id"), str("v5"))
	if _, err := Parse([]byte(other)); err != ErrScheme {
		t.Errorf("scheme v5: %v", err)
	}
	v, err := ParseView([]byte(other))
	if _, idErr := v.NodeID(); err != nil || idErr != ErrScheme {
		t.Errorf("node ID of scheme v5: %v, %v", err, idErr)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range append(liveRecords(f), example.Text) {
		r, err := ParseText(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Bytes())
	}
	f.Add(testRecord(f, 2).Bytes())
	f.Add([]byte(list(str(strings.Repeat("s", 64)), num(1), str("eth"), list(list()), str("id"), str("v4"),
		str("secp256k1"), str(strings.Repeat("x", 33)))))
	f.Add([]byte(list(str(""), num(0), str("id"), str("x"))))
	for _, e := range oddEntries {
		f.Add(signedWith(f, e.key, e.value).Bytes())
	}
	key := testKey(f, 1)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseView(b)
		_, rest, splitErr := SplitView(b)
		if err == nil && (splitErr != nil || len(rest) != 0) {
			t.Fatalf("SplitView: rest %x, %v", rest, splitErr)
		}
		if len(rest) >= len(b) && len(b) > 0 {
			t.Fatal("SplitView makes no progress")
		}
		if err != nil {
			return
		}
		if len(b) > MaxSize || !bytes.Equal(v.Bytes(), b) {
			t.Fatalf("view of other bytes: %x", v.Bytes())
		}
		// Rebuild the record from the accessors' results.
		elements := []string{str(string(v.Signature())), num(v.Seq())}
		builder := NewBuilder().SetSeq(v.Seq())
		for k, value := range v.Pairs() {
			elements = append(elements, str(string(k)), string(value))
			builder.Set(string(k), value)
			if got, ok := v.Get(string(k)); !ok || !bytes.Equal(got, value) {
				t.Fatalf("Get(%q) = %x, %v, want %x", k, got, ok, value)
			}
		}
		if got := list(elements...); got != string(b) {
			t.Fatalf("re-encodes as %x", got)
		}
		if p, ok := v.UDPEndpoint4(); ok && (!p.Addr().Is4() || p.Port() == 0) {
			t.Fatalf("endpoint %v", p)
		}
		if p, ok := v.UDPEndpoint6(); ok && (!p.Addr().Is6() || p.Addr().Is4In6() || p.Port() == 0) {
			t.Fatalf("endpoint %v", p)
		}
		v.QUIC()
		v.QUIC6()
		v.Enode()
		bad := map[string]bool{}
		for e := range v.BadEntries() {
			if err := v.Check(e.Key); err == nil || err.Error() != e.Error() {
				t.Fatalf("%v, Check: %v", e, err)
			}
			bad[e.Key] = true
		}
		// A new signature over the same pairs changes only scheme and key.
		r, err := builder.Sign(key)
		var entry *EntryError
		if err == ErrTooLarge || errors.As(err, &entry) && bad[entry.Key] {
			return
		}
		if err != nil || r.View().Verify() != nil || r.Seq() != v.Seq() || r.ID() != key.ID() {
			t.Fatalf("a new signature: %v, %v", r, err)
		}
		for k, value := range v.Pairs() {
			if got, ok := r.Get(string(k)); string(k) != "id" && string(k) != "secp256k1" && (!ok || !bytes.Equal(got, value)) {
				t.Fatalf("%q = %x after signing, %x before", k, got, value)
			}
		}
	})
}
