package aead

import (
	"bytes"
	"testing"

	"github.com/fastdisc/discv5/internal/cryptotest"
)

// gcmCase is a published case of AES-128-GCM with a 96-bit nonce and a tag of at most 128 bits.
type gcmCase struct {
	key         *[KeySize]byte
	nonce       *[NonceSize]byte
	text, ad    []byte
	cipher, tag []byte
	valid       bool
}

// check runs the case with all implementations, in place and not, with and without room in the
// buffer.
func (s *gcmCase) check(t *testing.T, id int) {
	t.Helper()
	for range widths {
		s.checkOnce(t, id)
	}
}

func (s *gcmCase) checkOnce(t *testing.T, id int) {
	t.Helper()
	for name, make := range implementations {
		c := make(s.key)
		if s.valid {
			for at := range 2 {
				got := c.Seal(nil, s.nonce, s.text, s.ad)
				if at == 1 {
					buf := append(append([]byte{7}, s.text...), bytes.Repeat([]byte{9}, TagSize+3)...)
					got = c.Seal(buf[:1], s.nonce, buf[1:1+len(s.text)], s.ad)[1:]
				}
				if n := len(s.text); !bytes.Equal(got[:n], s.cipher) || !bytes.HasPrefix(got[n:], s.tag) || len(got) != n+TagSize {
					t.Errorf("%s, test %d: Seal = %x, want %x %x", name, id, got, s.cipher, s.tag)
				}
			}
		}
		if len(s.tag) != TagSize {
			continue
		}
		packet := append(bytes.Clone(s.cipher), s.tag...)
		apart, err1 := c.Open(nil, s.nonce, packet, s.ad)
		place, err2 := c.Open(packet[:0], s.nonce, packet, s.ad)
		if s.valid && (err1 != nil || err2 != nil || !bytes.Equal(apart, s.text) || !bytes.Equal(place, s.text)) {
			t.Errorf("%s, test %d: Open = %x, %v; %x, %v", name, id, apart, err1, place, err2)
		}
		if !s.valid && (err1 != ErrAuth || err2 != ErrAuth) {
			t.Errorf("%s, test %d: a message opens that must not: %v, %v", name, id, err1, err2)
		}
	}
}

// TestPublishedGCM runs Wycheproof's AES-GCM. Other sizes of keys and nonces do not apply.
func TestPublishedGCM(t *testing.T) {
	type group struct{ IVSize, KeySize, TagSize int }
	type test struct {
		TCID                       int
		Key, IV, AAD, Msg, CT, Tag cryptotest.Hex
		Result                     string
	}
	var file cryptotest.Wycheproof[group, test]
	cryptotest.Load(t, "wycheproof_aes_gcm_test", &file)
	counts := cryptotest.Counts{}
	for _, g := range file.Groups {
		for _, c := range g.Tests {
			if g.Params != (group{8 * NonceSize, 8 * KeySize, 8 * TagSize}) {
				counts["other sizes"]++
				continue
			}
			s := gcmCase{(*[KeySize]byte)(c.Key), (*[NonceSize]byte)(c.IV), c.Msg, c.AAD, c.CT, c.Tag, c.Result == "valid"}
			s.check(t, c.TCID)
			counts[c.Result]++
		}
	}
	counts.Check(t, cryptotest.Counts{"valid": 40, "invalid": 27, "other sizes": 249})
}

// TestPublishedGMAC runs Wycheproof's AES-GMAC, which is GCM without plaintext.
func TestPublishedGMAC(t *testing.T) {
	type group struct{ IVSize, KeySize, TagSize int }
	type test struct {
		TCID              int
		Key, IV, Msg, Tag cryptotest.Hex
		Result            string
	}
	var file cryptotest.Wycheproof[group, test]
	cryptotest.Load(t, "wycheproof_aes_gmac_test", &file)
	counts := cryptotest.Counts{}
	for _, g := range file.Groups {
		for _, c := range g.Tests {
			if g.Params != (group{8 * NonceSize, 8 * KeySize, 8 * TagSize}) {
				counts["other sizes"]++
				continue
			}
			s := gcmCase{(*[KeySize]byte)(c.Key), (*[NonceSize]byte)(c.IV), nil, c.Msg, nil, c.Tag, c.Result == "valid"}
			s.check(t, c.TCID)
			counts[c.Result]++
		}
	}
	counts.Check(t, cryptotest.Counts{"valid": 15, "invalid": 54, "other sizes": 345})
}

// TestPublishedGCMFiles runs NIST's files for AES-128-GCM. Open accepts no tag shorter than 128
// bits, so the test compares such tags with those of Seal.
func TestPublishedGCMFiles(t *testing.T) {
	for name, want := range map[string]cryptotest.Counts{
		"cavp_gcmEncryptExtIV128":     {"pass": 375},
		"cavp_gcmDecrypt128":          {"pass": 179, "fail": 196},
		"cavp_gcmDecrypt128_shorttag": {"pass": 69, "fail": 44},
	} {
		t.Run(name, func(t *testing.T) {
			var list []struct {
				Key, IV, CT, AAD, Tag, PT cryptotest.Hex
				Fail                      bool
			}
			cryptotest.Load(t, name, &list)
			counts := cryptotest.Counts{}
			for i, c := range list {
				s := gcmCase{(*[KeySize]byte)(c.Key), (*[NonceSize]byte)(c.IV), c.PT, c.AAD, c.CT, c.Tag, !c.Fail}
				s.check(t, i)
				if len(c.Tag) < TagSize {
					s.shortTag(t, i)
				}
				if c.Fail {
					counts["fail"]++
				} else {
					counts["pass"]++
				}
			}
			counts.Check(t, want)
		})
	}
}

// shortTag checks that the tag of the published ciphertext starts with the published tag, or does
// not if the case is invalid. It decrypts with the key stream to get the text, and seals that.
func (s *gcmCase) shortTag(t *testing.T, id int) {
	t.Helper()
	for name, make := range implementations {
		c := make(s.key)
		n := len(s.cipher)
		text := c.Seal(nil, s.nonce, s.cipher, nil)[:n]
		got := c.Seal(nil, s.nonce, text, s.ad)
		if !bytes.Equal(got[:n], s.cipher) || bytes.HasPrefix(got[n:], s.tag) != s.valid {
			t.Errorf("%s, test %d: tag %x, valid %v is %x", name, id, got[n:], s.valid, s.tag)
		}
	}
}

// TestPublishedAES runs NIST's known answers for AES-128. The key stream of a counter is that block
// encrypted, so the answers apply to each implementation of the mask.
func TestPublishedAES(t *testing.T) {
	var list []struct {
		File        string
		Key, PT, CT cryptotest.Hex
	}
	cryptotest.Load(t, "cavp_aes128_ecb_kat", &list)
	counts := cryptotest.Counts{}
	for i, c := range list {
		var id [32]byte
		copy(id[:], c.Key)
		for name, xor := range maskers(&id) {
			for _, n := range []int{16, 5} {
				b := make([]byte, n)
				xor(b, (*[IVSize]byte)(c.PT), 0)
				if !bytes.Equal(b, c.CT[:n]) {
					t.Errorf("%s, %s, test %d: %x, want %x", name, c.File, i, b, c.CT[:n])
				}
			}
		}
		counts[c.File]++
	}
	counts.Check(t, cryptotest.Counts{"ECBGFSbox128.rsp": 7, "ECBKeySbox128.rsp": 21, "ECBVarKey128.rsp": 128, "ECBVarTxt128.rsp": 128})
}

// TestPublishedHMAC runs Wycheproof's HMAC. Messages longer than this package needs are refused.
func TestPublishedHMAC(t *testing.T) {
	type group struct{ KeySize, TagSize int }
	type test struct {
		TCID          int
		Key, Msg, Tag cryptotest.Hex
		Result        string
	}
	var file cryptotest.Wycheproof[group, test]
	cryptotest.Load(t, "wycheproof_hmac_sha256_test", &file)
	counts := cryptotest.Counts{}
	for _, g := range file.Groups {
		for _, c := range g.Tests {
			if len(c.Msg) > longestMessage {
				if !panics(func() { hmacSHA256(c.Key, c.Msg) }) {
					t.Errorf("test %d: %d bytes are hashed", c.TCID, len(c.Msg))
				}
				counts["too long"]++
				continue
			}
			mac := hmacSHA256(c.Key, c.Msg)
			if bytes.Equal(mac[:g.Params.TagSize/8], c.Tag) != (c.Result == "valid") {
				t.Errorf("test %d: %x, %s is %x", c.TCID, mac, c.Result, c.Tag)
			}
			counts[c.Result]++
		}
	}
	counts.Check(t, cryptotest.Counts{"valid": 58, "invalid": 108, "too long": 8})
}

// panics reports whether f panics.
func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

// TestPublishedHKDF runs the HKDF vectors of Wycheproof, RFC 5869 and pyca/cryptography. This
// package expands one block, so the test compares the first 32 bytes of longer outputs.
func TestPublishedHKDF(t *testing.T) {
	counts := cryptotest.Counts{}
	check := func(id int, ikm, salt, info, prk, okm []byte) {
		extracted := hmacSHA256(salt, ikm)
		if prk != nil && !bytes.Equal(extracted[:], prk) {
			t.Errorf("test %d: Extract = %x, want %x", id, extracted, prk)
		}
		block := hmacSHA256(extracted[:], append(bytes.Clone(info), 1))
		if n := min(len(okm), len(block)); n == 0 || !bytes.Equal(block[:n], okm[:n]) {
			t.Errorf("test %d: Expand = %x, want %x", id, block, okm)
		}
	}
	var file cryptotest.Wycheproof[struct{}, struct {
		TCID                 int
		IKM, Salt, Info, OKM cryptotest.Hex
		Result               string
	}]
	cryptotest.Load(t, "wycheproof_hkdf_sha256_test", &file)
	for _, g := range file.Groups {
		for _, c := range g.Tests {
			if c.Result != "valid" { // HKDF cannot make that much output
				counts["too much output"]++
				continue
			}
			check(c.TCID, c.IKM, c.Salt, c.Info, nil, c.OKM)
			counts["wycheproof"]++
		}
	}
	var list []struct {
		IKM, Salt, Info, PRK, OKM cryptotest.Hex
	}
	cryptotest.Load(t, "hkdf_pyca", &list)
	for i, c := range list {
		check(i, c.IKM, c.Salt, c.Info, c.PRK, c.OKM)
		counts["pyca"]++
	}
	counts.Check(t, cryptotest.Counts{"wycheproof": 83, "too much output": 3, "pyca": 4})
}
