package k256

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fastdisc/discv5/internal/curve/batch"
)

func fill(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// signatures returns n valid verifications of different keys.
func signatures(t testing.TB, r *rand.Rand, n int) []batch.Verification {
	t.Helper()
	v := make([]batch.Verification, n)
	for i := range v {
		var priv [32]byte
		var pub [33]byte
		fill(r, priv[:])
		fill(r, v[i].Digest[:])
		if _, err := Sign(&v[i].Signature, &priv, &v[i].Digest); err != nil {
			t.Fatal(err)
		}
		if err := PublicKey(&pub, &priv); err != nil {
			t.Fatal(err)
		}
		if err := Decompress(&v[i].Point, &pub); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// compress returns the compressed form of a point.
func compress(xy *[64]byte) (pub [33]byte) {
	pub[0] = 2 | xy[63]&1
	copy(pub[1:], xy[:32])
	return pub
}

// checkBatch compares the batch functions with the functions for one. want, if not nil, has the
// results of the verifications.
func checkBatch(t *testing.T, priv *[32]byte, v []batch.Verification, want []bool) {
	t.Helper()
	got := slices.Clone(v)
	VerifyBatch(got)
	a := make([]batch.Agreement, len(v))
	d := make([]batch.Decompression, len(v))
	for i := range v {
		single := VerifyPoint(&v[i].Point, &v[i].Digest, &v[i].Signature)
		if want != nil && single != want[i] {
			t.Fatalf("VerifyPoint of %d: %v", i, single)
		}
		if got[i].OK != single {
			t.Fatalf("signature %d of %d: %v, want %v: %+v", i, len(v), got[i].OK, single, v[i])
		}
		a[i].PublicKey = compress(&v[i].Point)
		d[i].PublicKey = a[i].PublicKey
	}
	DecompressBatch(d)
	badKey := ECDHBatch(priv, a)
	for i := range d {
		var xy [64]byte
		err := Decompress(&xy, &d[i].PublicKey)
		if d[i].OK != (err == nil) || d[i].OK && d[i].Point != xy {
			t.Fatalf("key %d of %d: %x, %v, want %x, %v", i, len(v), d[i].Point, d[i].OK, xy, err)
		}
		if badKey != nil {
			continue
		}
		var secret [33]byte
		err = ECDH(&secret, priv, &a[i].PublicKey)
		if a[i].OK != (err == nil) || a[i].OK && a[i].Secret != secret {
			t.Fatalf("secret %d of %d: %x, %v, want %x, %v", i, len(v), a[i].Secret, a[i].OK, secret, err)
		}
	}
}

// TestBatch puts every kind of invalid operation into every place of batches of all sizes.
func TestBatch(t *testing.T) {
	if !hasLanes {
		t.Log("this build or processor has no lanes, so batches do one operation after the other")
	}
	r := rand.New(rand.NewPCG(1, 2))
	valid := signatures(t, r, 2*lanes+1)
	var priv [32]byte
	fill(r, priv[:])
	number := func(b []byte, x *big.Int) { x.FillBytes(b) }
	high := func(v *batch.Verification) {
		s := new(big.Int).SetBytes(v.Signature[32:])
		number(v.Signature[32:], s.Sub(bigN, s))
	}
	for _, c := range []struct {
		name  string
		spoil func(v *batch.Verification)
	}{
		{"valid", nil},
		{"other digest", func(v *batch.Verification) { v.Digest[31] ^= 1 }},
		{"other r", func(v *batch.Verification) { v.Signature[20] ^= 1 }},
		{"other s", func(v *batch.Verification) { v.Signature[60] ^= 1 }},
		{"high s", high},
		{"r is 0", func(v *batch.Verification) { clear(v.Signature[:32]) }},
		{"s is 0", func(v *batch.Verification) { clear(v.Signature[32:]) }},
		{"r is n", func(v *batch.Verification) { number(v.Signature[:32], bigN) }},
		{"s is n", func(v *batch.Verification) { number(v.Signature[32:], bigN) }},
		{"not on the curve", func(v *batch.Verification) { v.Point[63] ^= 2 }},
		{"x of no point", func(v *batch.Verification) { clear(v.Point[:32]); v.Point[31] = 5 }},
		{"x is p", func(v *batch.Verification) { number(v.Point[:32], bigP) }},
		{"y is p", func(v *batch.Verification) { number(v.Point[32:], bigP) }},
		{"other key", func(v *batch.Verification) { v.Point = valid[2*lanes].Point }},
		{"opposite key", func(v *batch.Verification) {
			y := new(big.Int).SetBytes(v.Point[32:])
			number(v.Point[32:], y.Sub(bigP, y))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := range 2*lanes + 1 {
				if testing.Short() && n%lanes > 1 && n != minVerify {
					continue
				}
				for at := range max(n, 1) {
					v := slices.Clone(valid[:n])
					want := slices.Repeat([]bool{true}, n)
					if c.spoil != nil && n > 0 {
						c.spoil(&v[at])
						want[at] = false
					}
					checkBatch(t, &priv, v, want)
				}
			}
			all := slices.Clone(valid[:lanes])
			if c.spoil != nil {
				for i := range all {
					c.spoil(&all[i])
				}
			}
			checkBatch(t, &priv, all, nil)
		})
	}
	for _, bad := range [][32]byte{{}, [32]byte(bigN.Bytes())} {
		a := make([]batch.Agreement, lanes)
		if err := ECDHBatch(&bad, a); err == nil {
			t.Errorf("private key %x: no error", bad)
		}
	}
}

// made returns a valid signature for which the verification computes g·G + k·p.
func made(g, k *big.Int, p *plain) (v batch.Verification, ok bool) {
	sum := plainG().mul(g).add(p.mul(k))
	if sum == nil {
		return v, false
	}
	r := new(big.Int).Mod(sum.x, bigN)
	s := new(big.Int).ModInverse(k, bigN)
	s.Mul(s, r).Mod(s, bigN)
	e := new(big.Int).Mul(g, s)
	p.x.FillBytes(v.Point[:32])
	p.y.FillBytes(v.Point[32:])
	e.Mod(e, bigN).FillBytes(v.Digest[:])
	r.FillBytes(v.Signature[:32])
	s.FillBytes(v.Signature[32:])
	return v, s.Cmp(new(big.Int).Rsh(bigN, 1)) <= 0
}

// TestBatchEqualPoints: an attacker chooses key, digest and signature so that the verification adds
// equal or opposite points, in some lanes. Valid signatures stay valid.
func TestBatchEqualPoints(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	others := signatures(t, r, lanes)
	priv := [32]byte{31: 1}
	lambda := new(big.Int).Mod(new(big.Int).Neg(toBig(minusLambda)), bigN)
	points := []*plain{plainG(), plainG().mul(big.NewInt(-1)), plainG().mul(big.NewInt(2)), plainG().mul(lambda), plainG().mul(new(big.Int).Lsh(big.NewInt(1), 128))}
	tried, lane := 0, 0
	check := func(g, k *big.Int, p *plain) {
		k = new(big.Int).Mod(k, bigN)
		if k.Sign() == 0 {
			return
		}
		v, ok := made(g.Mod(g, bigN), k, p)
		if v.Point == [64]byte{} {
			return
		}
		list := slices.Clone(others)
		want := slices.Repeat([]bool{true}, lanes)
		list[lane], want[lane] = v, ok
		checkBatch(t, &priv, list, want)
		lane = (lane + 1) % lanes
		tried++
	}
	if testing.Short() {
		points = points[:2]
	}
	for _, p := range points {
		for _, k := range []int64{1, -1, 2, 3, -5, 31, 32, 255, 256} {
			for _, g := range []int64{0, 1, -1, 2, -2, 31, 255, -255, 256} {
				check(big.NewInt(g), big.NewInt(k), p)
				check(big.NewInt(g), new(big.Int).Mul(big.NewInt(k), lambda), p)
			}
		}
	}
	// The last two additions are those of the lowest digits of both halves of g. With p = G the sum
	// before them is k + g less both digits.
	allOnes := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	for i := range 64 {
		var random [32]byte
		fill(r, random[:])
		g := new(big.Int).SetBytes(random[:])
		g.Mod(g, bigN)
		v := new(big.Int).Add(g, allOnes)
		if v.Mod(v, bigN).Bit(0) == 1 {
			v.Add(v, bigN)
		}
		v.Rsh(v, 1)
		low := big.NewInt(2*new(big.Int).And(v, big.NewInt(255)).Int64() - 255)
		high := big.NewInt(2*new(big.Int).And(new(big.Int).Rsh(v, 128), big.NewInt(255)).Int64() - 255)
		high.Lsh(high, 128)
		before := new(big.Int).Sub(g, low)
		before.Sub(before, high)
		// k + before is low, -low, high - low or -high - low.
		target := new(big.Int).Set(low)
		if i%2 == 1 {
			target.Set(high)
			if i%8 > 3 {
				target.Neg(target)
			}
			target.Sub(target, low)
		} else if i%8 > 3 {
			target.Neg(target)
		}
		check(new(big.Int).Set(g), target.Sub(target, before), plainG())
	}
	t.Logf("%d signatures", tried)
}

// TestBatchSpecialKeys agrees with scalars and points that are special cases of the additions.
func TestBatchSpecialKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	list := signatures(t, r, lanes)
	for i, k := range []int64{1, 2, 3, -1} {
		q := plainG().mul(big.NewInt(k))
		q.x.FillBytes(list[i].Point[:32])
		q.y.FillBytes(list[i].Point[32:])
	}
	for i, k := range special() {
		if testing.Short() && i%10 > 0 {
			continue
		}
		var priv [32]byte
		k.putBytes(&priv)
		checkBatch(t, &priv, list, nil)
	}
}

func FuzzBatch(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for i, v := range signatures(f, r, 4) {
		f.Add(v.Point[:], v.Digest[:], v.Signature[:], v.Digest[:], byte(i))
	}
	others := signatures(f, r, lanes)
	f.Fuzz(func(t *testing.T, point, digest, signature, priv []byte, lane byte) {
		if len(point) != 64 || len(digest) != 32 || len(signature) != 64 || len(priv) != 32 {
			return
		}
		v := slices.Clone(others)
		v[lane%lanes] = batch.Verification{Point: [64]byte(point), Digest: [32]byte(digest), Signature: [64]byte(signature)}
		checkBatch(t, (*[32]byte)(priv), v, nil)
		// A valid signature with numbers of the input: the key is a multiple of G.
		g, k := new(big.Int).SetBytes(digest), new(big.Int).SetBytes(signature[:32])
		p := plainG().mul(new(big.Int).SetBytes(priv[:4]))
		if k.Mod(k, bigN).Sign() == 0 || p == nil {
			return
		}
		if made, ok := made(g.Mod(g, bigN), k, p); made.Point != [64]byte{} {
			v[lane%lanes] = made
			want := slices.Repeat([]bool{true}, lanes)
			want[lane%lanes] = ok
			checkBatch(t, (*[32]byte)(priv), v, want)
		}
	})
}

// BenchmarkBatch measures batches of n operations, and n operations one after the other.
func BenchmarkBatch(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var priv [32]byte
	fill(r, priv[:])
	for _, n := range []int{1, 2, 3, 4, 8} {
		v := signatures(b, r, n)
		a := make([]batch.Agreement, n)
		d := make([]batch.Decompression, n)
		for i := range a {
			a[i].PublicKey = compress(&v[i].Point)
			d[i].PublicKey = a[i].PublicKey
		}
		var secret [33]byte
		var xy [64]byte
		for _, c := range []struct {
			name string
			one  func(i int)
			all  func()
		}{
			{"verify", func(i int) { VerifyPoint(&v[i].Point, &v[i].Digest, &v[i].Signature) }, func() { VerifyBatch(v) }},
			{"agree", func(i int) { ECDH(&secret, &priv, &a[i].PublicKey) }, func() { ECDHBatch(&priv, a) }},
			{"decompress", func(i int) { Decompress(&xy, &d[i].PublicKey) }, func() { DecompressBatch(d) }},
		} {
			run := func(name string, f func()) {
				b.Run(fmt.Sprintf("%s/n=%d/%s", c.name, n, name), func(b *testing.B) {
					for b.Loop() {
						f()
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/each")
				})
			}
			run("single", func() {
				for i := range n {
					c.one(i)
				}
			})
			run("batch", c.all)
		}
	}
}
