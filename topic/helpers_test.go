package topic

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// zeros is a source of randomness without any.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// seeded is a source of randomness that gives the same bytes in every run.
func seeded(n uint64) *rand.ChaCha8 {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], n)
	return rand.NewChaCha8(seed)
}

func mustRegistrar(t testing.TB, cfg Config) *Registrar {
	t.Helper()
	if cfg.Random == nil {
		cfg.Random = seeded(1)
	}
	r, err := NewRegistrar(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustRandom(t testing.TB, n uint64) *aead.Random {
	t.Helper()
	r, err := aead.NewRandom(seeded(n))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// signed returns a record of node n with the given addresses and port 30303.
func signed(t testing.TB, n int, seq uint64, addrs ...string) *enr.Record {
	t.Helper()
	list := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		list[i] = netip.MustParseAddr(a)
	}
	return signedAt(t, n, seq, list...)
}

func keyOfNode(t testing.TB, n int) *enr.PrivateKey {
	t.Helper()
	var b [32]byte
	binary.BigEndian.PutUint64(b[24:], uint64(n)+1)
	key, err := enr.ParsePrivateKey(b[:])
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signedAt(t testing.TB, n int, seq uint64, addrs ...netip.Addr) *enr.Record {
	t.Helper()
	b := enr.NewBuilder().SetSeq(seq).SetUDP(30303)
	for _, a := range addrs {
		b.SetIP(a)
	}
	r, err := b.Sign(keyOfNode(t, n))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// request returns a request of a record's owner from the first address in the record.
func request(topic Topic, r *enr.Record) *Request {
	q := &Request{Topic: topic, ID: r.ID(), Record: r}
	if a, ok := r.UDPEndpoint4(); ok {
		q.Source = a
	} else if a, ok := r.UDPEndpoint6(); ok {
		q.Source = a
	}
	return q
}

// force puts an ad into the cache without waiting.
func force(r *Registrar, now time.Duration, q *Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.advance(now)
	a := q.Source.Addr()
	group := r.cache.findTopic(&q.Topic)
	r.cache.insert(&newAd{
		old: r.cache.find(&q.ID, group), group: group,
		id: &q.ID, topic: &q.Topic, record: q.Record, key: keyOf(a), class: classOf(q.Record),
		counted: true, expires: now + r.cfg.Lifetime,
	})
}

// isPublic reports whether an address is one that the trees count.
func isPublic(a netip.Addr) bool { return netaddr.ClassOf(a) == netaddr.Global }

// all returns the entries of a service table.
func (t *Table) all() (list []*entry) {
	for i := range t.buckets {
		list = append(list, t.buckets[i]...)
	}
	return list
}

// classOf returns the class of a record: the most restricted of its addresses.
func classOf(r *enr.Record) (class netaddr.Class) {
	if a, ok := r.IP4(); ok {
		class = netaddr.ClassOf(a)
	}
	if a, ok := r.IP6(); ok {
		class = max(class, netaddr.ClassOf(a))
	}
	return class
}
