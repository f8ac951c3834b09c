package enr

import (
	"bytes"
	"strconv"
	"sync"
	"testing"
	"unsafe"
)

func TestCache(t *testing.T) {
	c := NewCache(16, 1)
	r := testRecord(t, 1)
	if _, ok := c.Get(r.View()); ok {
		t.Error("hit in an empty cache")
	}
	borrowed := bytes.Clone(r.Bytes())
	v, err := ParseView(borrowed)
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.Verify(v)
	if err != nil || first.ID() != r.ID() {
		t.Fatalf("%v, %v", first, err)
	}
	clear(borrowed) // as if a packet buffer were reused
	again, err := c.Verify(r.View())
	if err != nil || again != first {
		t.Errorf("verified twice (%v)", err)
	}
	if got, ok := c.Get(r.View()); !ok || got != first {
		t.Error("Get misses")
	}
	if got := c.Stats(); got != (CacheStats{Verified: 1}) {
		t.Errorf("stats %+v", got)
	}
}

// TestCacheVerifyOwned: with a known owner the same records enter, and those with a bad signature
// do not.
func TestCacheVerifyOwned(t *testing.T) {
	r := testRecord(t, 1)
	bad := bytes.Clone(r.Bytes())
	bad[len(bad)-1] ^= 1 // of the last value; the key and therefore the owner are the same
	for _, b := range [][]byte{r.Bytes(), bad} {
		v, err := ParseView(b)
		if err != nil {
			t.Fatal(err)
		}
		id, xy, err := v.Owner()
		if err != nil || id != r.ID() {
			t.Fatalf("owner %v, %v", id, err)
		}
		owned, plain := NewCache(4, 1), NewCache(4, 1)
		got, err := owned.VerifyOwned(v, id, &xy)
		want, wantErr := plain.Verify(v)
		if err != wantErr || owned.Stats() != plain.Stats() || (err == nil) != bytes.Equal(b, r.Bytes()) {
			t.Fatalf("%v, %+v, want %v, %+v", err, owned.Stats(), wantErr, plain.Stats())
		}
		if err != nil {
			continue
		}
		if got.ID() != want.ID() || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%v, want %v", got, want)
		}
		if again, err := owned.VerifyOwned(v, id, &xy); err != nil || again != got {
			t.Errorf("verified twice (%v)", err)
		}
	}
}

// TestCacheFailure: an invalid record is reported each time and takes no slot.
func TestCacheFailure(t *testing.T) {
	c := NewCache(4, 1)
	for seed := range byte(4) {
		if _, err := c.Verify(testRecord(t, seed+1).View()); err != nil {
			t.Fatal(err)
		}
	}
	b := bytes.Clone(testRecord(t, 9).Bytes())
	b[10] ^= 1
	v, err := ParseView(b)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if r, err := c.Verify(v); err != ErrBadSignature || r != nil {
			t.Errorf("%v, %v", r, err)
		}
	}
	for seed := range byte(4) {
		if _, ok := c.Get(testRecord(t, seed+1).View()); !ok {
			t.Errorf("record %d was pushed out", seed+1)
		}
	}
	if got := c.Stats(); got != (CacheStats{Verified: 4, Failed: 3}) {
		t.Errorf("stats %+v", got)
	}
}

// TestCacheReplacement: one set behaves like a clock: a record with a hit survives records seen
// once.
func TestCacheReplacement(t *testing.T) {
	c := NewCache(4, 1)
	add := func(seed byte) {
		t.Helper()
		if _, err := c.Verify(testRecord(t, seed).View()); err != nil {
			t.Fatal(err)
		}
	}
	has := func(seed byte) bool {
		set, tag := c.find(testRecord(t, seed).Bytes())
		for i := range set.records {
			if r := set.records[i].Load(); r != nil && set.tags[i].Load() == tag && r.Equal(testRecord(t, seed).View()) {
				return true
			}
		}
		return false
	}
	for seed := range byte(4) {
		add(seed + 1)
	}
	add(1) // hit
	for seed := byte(5); seed < 8; seed++ {
		add(seed) // replaces 2, 3, 4
	}
	if !has(1) || has(2) || has(3) || has(4) || !has(5) || !has(7) {
		t.Errorf("1 %v, 2 %v, 3 %v, 4 %v, 5 %v, 7 %v", has(1), has(2), has(3), has(4), has(5), has(7))
	}
	add(8) // the hit on 1 counted for one round
	if has(1) {
		t.Error("a record hit once stays forever")
	}
	if got := c.Stats().Evicted; got != 4 {
		t.Errorf("%d evicted", got)
	}
	for seed := byte(5); seed < 9; seed++ {
		add(seed) // all have hits
	}
	add(9)
	if !has(9) {
		t.Error("a set in full use takes nothing new")
	}
}

func TestCacheSize(t *testing.T) {
	for slots, want := range map[int]int{-1: 4, 0: 4, 1: 4, 4: 4, 5: 8, 8: 8, 9: 16, 1000: 1024, 1024: 1024, 1025: 2048} {
		if got := len(NewCache(slots, 1).sets) * cacheWays; got != want {
			t.Errorf("%d slots: %d", slots, got)
		}
	}
	if strconv.IntSize < 64 {
		t.Skip("probed for pointers of 64 bits: sizes are fixed for those")
	}
	if got := unsafe.Sizeof(cacheSet{}); got != 64 {
		t.Errorf("a set takes %d bytes, not one cache line", got)
	}
	// The allocator rounds MaxSize up to 320. The documentation says 450.
	if got := unsafe.Sizeof(Record{}) + 320; got > 450 {
		t.Errorf("a record takes %d bytes", got)
	}
}

// TestCacheSeed: equal records have different positions under different seeds.
func TestCacheSeed(t *testing.T) {
	r := testRecord(t, 1)
	_, a := NewCache(4, 1).find(r.Bytes())
	_, b := NewCache(4, 2).find(r.Bytes())
	if a == b {
		t.Error("the seed does not matter")
	}
}

// TestCacheSameRecordTwice: if two callers verify the same record at the same time, the second gets
// the record of the first, and one slot is used.
func TestCacheSameRecordTwice(t *testing.T) {
	c := NewCache(4, 1)
	a, b := testRecord(t, 1), testRecord(t, 1)
	set, tag := c.find(a.Bytes())
	if got, _ := set.insert(a, tag); got != a {
		t.Error("first insertion returns another record")
	}
	if got, evicted := set.insert(b, tag); got != a || evicted || set.records[1].Load() != nil {
		t.Error("second insertion takes a slot of its own")
	}
}

// TestCacheCollision: equal hashes are not a hit; a peer that finds a collision must not get its
// bytes accepted as verified.
func TestCacheCollision(t *testing.T) {
	c := NewCache(4, 1)
	verified, other := testRecord(t, 1), testRecord(t, 2)
	set, tag := c.find(verified.Bytes())
	set.insert(verified, tag)
	if got := set.find(verified.Bytes(), tag); got != verified {
		t.Fatal("stored record is not found")
	}
	if got := set.find(other.Bytes(), tag); got != nil {
		t.Error("a record passes for another one with the same tag")
	}
}

func TestCacheConcurrent(t *testing.T) {
	c := NewCache(4, 1) // one set for all records
	var records []*Record
	for seed := range byte(8) {
		records = append(records, testRecord(t, seed+1))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				want := records[(i*(g+1))%len(records)]
				got, err := c.Verify(want.View())
				if err != nil || !got.Equal(want.View()) || got.ID() != want.ID() {
					t.Errorf("%v, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for i := range c.sets[0].records {
		r := c.sets[0].records[i].Load()
		if seen[string(r.Bytes())] {
			t.Error("a record is there twice")
		}
		seen[string(r.Bytes())] = true
	}
}

func TestCacheNoAllocation(t *testing.T) {
	c := NewCache(64, 1)
	b := testRecord(t, 1).Bytes()
	v, _ := ParseView(b)
	if _, err := c.Verify(v); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		v, _ := ParseView(b)
		c.Verify(v)
		c.Get(v)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	missing := testRecord(t, 2).View()
	if n := testing.AllocsPerRun(100, func() { c.Get(missing) }); n != 0 {
		t.Errorf("miss of Get: %v allocations", n)
	}
}

func BenchmarkCacheHit(b *testing.B) {
	c := NewCache(1024, 1)
	v := testRecord(b, 1).View()
	if _, err := c.Verify(v); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Verify(v); err != nil {
			b.Fatal(err)
		}
	}
}
