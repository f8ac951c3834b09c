package session

import (
	"bytes"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// setCount sets the number of nonces that k has made. The counter is the first field of
// aead.Counter.
func setCount(k *Keys, n uint64) { (*atomic.Uint64)(unsafe.Pointer(&k.counter)).Store(n) }

// TestS24Nonces: concurrent goroutines never get the same nonce from one pair of keys.
func TestS24Nonces(t *testing.T) {
	k, _ := pair(1)
	const workers, each = 8, 2000
	var wg sync.WaitGroup
	var made [workers][each]codec.Nonce
	for w := range workers {
		r := testRandom(t, 1) // constant, so that the counter alone must make nonces unique
		wg.Go(func() {
			for i := range made[w] {
				if !k.NextNonce(&made[w][i], r) {
					t.Error("used up")
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[codec.Nonce]bool)
	for w := range made {
		for _, n := range made[w] {
			if seen[n] {
				t.Fatalf("nonce %x twice", n)
			}
			seen[n] = true
		}
	}
}

// TestS24Exhausted: keys stop for good at their last nonce, and the map asks for a handshake.
func TestS24Exhausted(t *testing.T) {
	m, r := NewMap(Config{}), testRandom(t, 1)
	k, key := new(Keys), testKey(1)
	if !shakeHands(m, 0, &key, r, k) {
		t.Fatal("not established")
	}
	setCount(k, aead.MaxMessages-1)
	if got, ok := m.Sender(&key, m.Hash(&key)); !ok || got != k || k.Exhausted() {
		t.Error("exhausted before the last nonce")
	}
	var last, nonce codec.Nonce
	if !k.NextNonce(&last, r) {
		t.Error("last nonce refused")
	}
	for range 3 {
		nonce = last
		if k.NextNonce(&nonce, r) || nonce != last {
			t.Error("nonce after the last one")
		}
		if _, ok := m.Sender(&key, m.Hash(&key)); ok || !k.Exhausted() {
			t.Error("keys that are used up are offered for sending")
		}
	}
	if f, ok := m.Lookup(&key, m.Hash(&key)); !ok || f.Current != k {
		t.Error("keys that are used up no longer open")
	}
}

func TestKeysOpen(t *testing.T) {
	a, b := pair(1)
	other, _ := pair(2)
	r := testRandom(t, 1)
	s := seal(t, a, r, "message")
	if !s.opens(b) || s.opens(a) || s.opens(other) {
		t.Error("a message opens with the keys of the other side alone")
	}
	in := bytes.Clone(s.message)
	out, err := b.Open(&s.nonce, in, sealedAD)
	if err != nil || string(out) != "message" || &out[0] != &in[0] {
		t.Errorf("%q, %v; not in place", out, err)
	}
	nonce, buf := new(codec.Nonce), make([]byte, 7, 100)
	if n := testing.AllocsPerRun(100, func() {
		sealed := a.Seal(buf[:0], nonce, buf, sealedAD)
		if _, err := b.Open(nonce, sealed, sealedAD); err != nil {
			t.Fatal(err)
		}
		a.NextNonce(nonce, r)
		b.Opened(0)
		b.Prefetch()
	}); n != 0 {
		t.Errorf("%v allocations for a message", n)
	}
}

func TestKeysUsed(t *testing.T) {
	k := new(Keys)
	for _, tt := range []struct{ now, want time.Duration }{
		{999 * ms, 0}, {second, second}, {1500 * ms, second}, {2 * second, 2 * second}, {second, 2 * second}, {minute, minute},
	} {
		if k.Opened(tt.now); k.Used() != tt.want {
			t.Errorf("opened at %v: used %v, want %v", tt.now, k.Used(), tt.want)
		}
	}
	if n := k.messages(); n != protectedAfter {
		t.Errorf("%d messages counted, want %d", n, protectedAfter)
	}
}

func TestKeysRecordSeq(t *testing.T) {
	k := new(Keys)
	if k.SetRecordSeq(0) || !k.SetRecordSeq(5) || k.SetRecordSeq(5) || k.SetRecordSeq(4) || k.RecordSeq() != 5 {
		t.Errorf("record seq %d", k.RecordSeq())
	}
	var wg sync.WaitGroup
	var news atomic.Int32
	for range 8 {
		wg.Go(func() {
			for s := uint64(1); s <= 1000; s++ {
				if k.SetRecordSeq(s) {
					news.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if k.RecordSeq() != 1000 || news.Load() > 995 {
		t.Errorf("record seq %d, %d times news", k.RecordSeq(), news.Load())
	}
}

func TestKey(t *testing.T) {
	id := [32]byte{0: 1, 31: 2}
	for _, tt := range []struct{ in, want string }{
		{"1.2.3.4:5", "1.2.3.4:5"}, {"[::ffff:1.2.3.4]:5", "1.2.3.4:5"}, {"[2001:db8::1]:65535", "[2001:db8::1]:65535"}, {"[fe80::1%eth0]:1", "[fe80::1]:1"},
	} {
		k := MakeKey(netip.MustParseAddrPort(tt.in), &id)
		if k.AddrPort() != netip.MustParseAddrPort(tt.want) || k.ID() != enr.ID(id) {
			t.Errorf("%s: %v, %v", tt.in, k.AddrPort(), k.ID())
		}
	}
	base := MakeKey(netip.MustParseAddrPort("1.2.3.4:5"), &id)
	other := id
	other[31]++
	for _, k := range []Key{
		MakeKey(netip.MustParseAddrPort("1.2.3.5:5"), &id), MakeKey(netip.MustParseAddrPort("1.2.3.4:6"), &id),
		MakeKey(netip.MustParseAddrPort("1.2.3.4:5"), &other),
	} {
		if k == base || k.hash(1) == base.hash(1) {
			t.Errorf("%x is the same as %x", k, base)
		}
	}
	if base.hash(1) == base.hash(2) {
		t.Error("the seed does not change the hash")
	}
}

// TestVia: the local address and the message count share a word, and neither changes the other.
func TestVia(t *testing.T) {
	k := NewKeys(&[aead.KeySize]byte{1}, &[aead.KeySize]byte{2})
	k.SetVia(5)
	for i := range 3 * protectedAfter {
		k.Opened(0)
		if got, want := k.messages(), min(uint32(i)+1, protectedAfter); got != want || k.Via() != 5 {
			t.Fatalf("after %d messages: %d, local address %d", i+1, got, k.Via())
		}
	}
	for _, via := range []uint16{5, 0xffff, 0} {
		if k.SetVia(via); k.Via() != via || k.messages() != protectedAfter {
			t.Errorf("local address %d: %d, %d messages", via, k.Via(), k.messages())
		}
	}
}
