package session

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// TestMapList: All, Get and Find return established sessions and their data, and records only if
// they are kept.
func TestMapList(t *testing.T) {
	key, err := enr.GenerateKey(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	records := make([]*enr.Record, 3)
	for i := range records {
		if records[i], err = enr.NewBuilder().SetSeq(uint64(i + 1)).Sign(key); err != nil {
			t.Fatal(err)
		}
	}
	for _, keep := range []bool{false, true} {
		m := NewMap(Config{MaxSessions: 64, Seed: 1, KeepRecords: keep})
		in, out, waits := testKey(1), testKey(2), testKey(3)
		shake := func(now time.Duration) {
			t.Helper()
			keys, _ := pair(9)
			if !shakeHands(m, now, &in, testRandom(t, 1), keys) {
				t.Fatal("no session")
			}
		}
		shake(5 * second)
		own, _ := pair(2)
		m.Offer(6*second, &out, m.Hash(&out), own, minute)
		m.Promote(7*second, &out, m.Hash(&out), own)
		never, _ := pair(3)
		m.Offer(6*second, &waits, m.Hash(&waits), never, minute)

		m.SetRecord(&in, m.Hash(&in), records[1])
		m.SetRecord(&in, m.Hash(&in), records[0]) // older
		m.SetRecord(&in, m.Hash(&in), nil)
		found := make(map[Key]Info)
		for i := range m.All() {
			found[i.Key] = i
		}
		if len(found) != 2 {
			t.Fatalf("keep %v: %d sessions", keep, len(found))
		}
		if i := found[in]; !i.Inbound || i.Since != 5*second || (i.Record == records[1]) != keep || (i.Record == nil) == keep {
			t.Errorf("keep %v: inbound session %+v", keep, i)
		}
		if i := found[out]; i.Inbound || i.Since != 7*second || i.Record != nil {
			t.Errorf("keep %v: outbound session %+v", keep, i)
		}
		m.SetRecord(&in, m.Hash(&in), records[2])
		if i, ok := m.Get(&in, m.Hash(&in)); !ok || keep && i.Record != records[2] {
			t.Errorf("keep %v: %+v, %v", keep, i, ok)
		}
		if _, ok := m.Get(&waits, m.Hash(&waits)); ok {
			t.Error("a session that waits for its peer")
		}
		if i, ok := m.Find(out.ID()); !ok || i.Key != out {
			t.Errorf("found %+v, %v", i, ok)
		}
		if _, ok := m.Find(waits.ID()); ok {
			t.Error("found a session that waits for its peer")
		}
		// New keys do not change the session, and an ended session keeps nothing.
		shake(20 * second)
		if i, _ := m.Get(&in, m.Hash(&in)); i.Since != 5*second || !i.Inbound {
			t.Errorf("after new keys: %+v", i)
		}
		m.Remove(&in, m.Hash(&in))
		shake(30 * second)
		if i, _ := m.Get(&in, m.Hash(&in)); i.Since != 30*second || i.Record != nil {
			t.Errorf("a later session: %+v", i)
		}
	}
}
