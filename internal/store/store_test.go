package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/fastdisc/discv5/enr"
)

// record returns a node's record; n identifies the node.
func record(t testing.TB, n byte, seq uint64) *enr.Record {
	t.Helper()
	key, err := enr.ParsePrivateKey(append(make([]byte, 31), n))
	if err != nil {
		t.Fatal(err)
	}
	r, err := enr.NewBuilder().SetSeq(seq).SetIP(netip.MustParseAddr("192.0.2.1")).SetUDP(9000).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func entry(r *enr.Record, seen int64) Entry {
	return Entry{ID: r.ID(), Seq: r.Seq(), Record: r.Bytes(), Seen: time.Unix(seen, 5)}
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// reopen closes s and opens its file once more.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, s.path)
}

func save(t testing.TB, s *Store, all bool, entries ...Entry) int {
	t.Helper()
	n, err := s.SaveNodes(entries, all)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func nodes(t testing.TB, s *Store, limit int) (list []Node, skipped int) {
	t.Helper()
	list, skipped, err := s.Nodes(limit)
	if err != nil {
		t.Fatal(err)
	}
	return list, skipped
}

func TestNodes(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "nodes.db"))
	a, b, c := record(t, 1, 1), record(t, 2, 1), record(t, 3, 1)
	save(t, s, false, entry(a, 1000), entry(b, 3000), entry(c, 2000))
	newer := record(t, 1, 2)
	save(t, s, false, entry(newer, 1001))
	s = reopen(t, s)
	got, skipped := nodes(t, s, 10)
	want := []*enr.Record{b, c, newer}
	if len(got) != len(want) || skipped != 0 {
		t.Fatalf("%d nodes, %d skipped; want %d, 0", len(got), skipped, len(want))
	}
	for i, r := range want {
		if got[i].Record.String() != r.String() {
			t.Errorf("node %d is %v, want %v", i, got[i].Record, r)
		}
	}
	if !got[0].Seen.Equal(time.Unix(3000, 0)) {
		t.Errorf("last seen %v", got[0].Seen)
	}
	if got, _ := nodes(t, s, 2); len(got) != 2 {
		t.Errorf("%d nodes with a limit of 2", len(got))
	}
}

// TestSaveNodesUnchanged: a save writes only changes.
func TestSaveNodesUnchanged(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "nodes.db"))
	r1, r2 := record(t, 1, 1), record(t, 1, 2)
	step := int64(seenStep / time.Second)
	for i, c := range []struct {
		r    *enr.Record
		seen int64
		all  bool
		want int
	}{
		{r2, 1000, false, 1},
		{r2, 1000, true, 0},
		{r2, 1000 + step - 1, false, 0},
		{r1, 1000 + 2*step, true, 0}, // an older record
		{r2, 1000 + step - 1, true, 1},
		{r2, 1000 + 3*step, false, 1},
	} {
		if n := save(t, s, c.all, entry(c.r, c.seen)); n != c.want {
			t.Errorf("save %d wrote %d nodes, want %d", i, n, c.want)
		}
		s = reopen(t, s)
	}
}

// TestNodesBounded: the file is bounded, and nodes not seen for longest are removed first.
func TestNodesBounded(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "nodes.db"))
	r := record(t, 1, 1)
	const most, extra = 200, 30
	s.max = most
	entries := []Entry{entry(r, 1e6)}
	for i := range most + extra {
		e := entry(r, int64(i))
		binary.BigEndian.PutUint32(e.ID[:], uint32(i))
		entries = append(entries, e)
	}
	save(t, s, false, entries[:50]...)
	save(t, s, false, entries[50:]...)
	count := func() (n int) {
		s.db.View(func(tx *bolt.Tx) error { n = tx.Bucket(bucketNodes).Stats().KeyN; return nil })
		return n
	}
	if len(s.index) != most || count() != most {
		t.Fatalf("%d nodes in the index, %d in the file, want %d", len(s.index), count(), most)
	}
	for i, e := range entries[1:] {
		if _, ok := s.index[e.ID]; ok != (i > extra) {
			t.Fatalf("node %d seen at %v: kept %v", i, e.Seen, ok)
		}
	}
	// Records under another node's ID are detected when they are read, and removed by the next
	// save.
	s = reopen(t, s)
	if got, skipped := nodes(t, s, most); len(got) != 1 || skipped != most-1 {
		t.Errorf("%d nodes, %d skipped", len(got), skipped)
	}
	save(t, s, false, entry(r, 2e6))
	if count() != 1 {
		t.Errorf("%d entries left", count())
	}
}

func TestBadEntriesSkipped(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "nodes.db"))
	good, other := record(t, 1, 1), record(t, 2, 1)
	save(t, s, false, entry(good, 1000))
	id := other.ID()
	broken := join(revision{seen: 0, score: 1}, other.Bytes())
	broken[headSize+10] ^= 1 // in the signature
	future := append(bytes.Repeat([]byte{0xff}, seenSize), join(revision{score: 1}, other.Bytes())[seenSize:]...)
	for name, kv := range map[string][2][]byte{
		"short key":     {id[:5], broken},
		"no record":     {id[:], make([]byte, headSize)},
		"short value":   {id[:], {1}},
		"no RLP":        {id[:], make([]byte, 50)},
		"bad signature": {id[:], broken},
		"absurd time":   {id[:], future},
		"no score":      {id[:], join(revision{seen: 1000}, other.Bytes())},
		"absurd score":  {id[:], join(revision{seen: 1000, score: MaxScore + 1}, other.Bytes())},
	} {
		t.Run(name, func(t *testing.T) {
			s = reopen(t, s)
			if err := s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketNodes).Put(kv[0], kv[1]) }); err != nil {
				t.Fatal(err)
			}
			s = reopen(t, s)
			if got, skipped := nodes(t, s, 10); len(got) != 1 || got[0].Record.ID() != good.ID() || skipped != 1 {
				t.Errorf("%d nodes, %d skipped", len(got), skipped)
			}
			save(t, s, true, entry(good, s.index[good.ID()].seen+1))
			s = reopen(t, s)
			if _, skipped := nodes(t, s, 10); skipped != 0 {
				t.Errorf("the entry is still there")
			}
		})
	}
}

func TestLocal(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "nodes.db"))
	r := record(t, 1, 7)
	if got, err := s.Local(r.ID()); got != nil || err != nil {
		t.Errorf("record %v, %v of an empty store", got, err)
	}
	for i := range byte(3 * MaxLocal) {
		if err := s.SaveLocal(record(t, 100+i, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, seq := range []uint64{7, 8} {
		r = record(t, 1, seq)
		if err := s.SaveLocal(r); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, s)
		if got, err := s.Local(r.ID()); err != nil || got == nil || got.String() != r.String() {
			t.Errorf("own record %v, %v", got, err)
		}
	}
	s.db.View(func(tx *bolt.Tx) error {
		if n := tx.Bucket(bucketLocal).Stats().KeyN; n != MaxLocal {
			t.Errorf("%d own records are kept, want %d", n, MaxLocal)
		}
		return nil
	})
}

func TestErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes.db")
	s := open(t, path)
	if _, err := Open(path); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("second Open: %v", err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyVersion, []byte{version + 1}) })
	s.Close()
	if _, err := s.Local(enr.ID{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Local after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := Open(path); !errors.Is(err, ErrVersion) {
		t.Errorf("file of a newer version: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a directory was opened")
	}
}

// TestDamaged: a damaged file is an error that names it, or is read as far as it is valid. It never
// causes a crash, and is never deleted.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "good.db")
	s := open(t, path)
	for i := range byte(40) {
		save(t, s, false, entry(record(t, i+1, 1), int64(i)))
	}
	s.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	files := [][]byte{[]byte("no database\n"), bytes.Repeat([]byte("no database\n"), 5000), good[:len(good)/2], good[:5000], make([]byte, len(good))}
	for range 15 {
		b := bytes.Clone(good)
		for range 1 + random.IntN(64) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
		files = append(files, b)
		b = bytes.Clone(good)
		at := random.IntN(len(b) - 4096)
		clear(b[at : at+4096])
		files = append(files, b)
	}
	failed := 0
	for i, b := range files {
		path := filepath.Join(dir, "damaged.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err == nil {
			_, _, err = s.Nodes(MaxNodes)
		}
		if err == nil {
			_, err = s.SaveNodes([]Entry{entry(record(t, 99, 1), 5)}, true)
		}
		if s != nil {
			s.Close()
		}
		if err != nil {
			failed++
			if !strings.Contains(err.Error(), path) {
				t.Errorf("file %d: error does not name it: %v", i, err)
			}
		}
		if err != nil && strings.Contains(err.Error(), "runtime error") {
			t.Errorf("file %d: %v", i, err)
		}
		if i < 4 && !errors.Is(err, ErrDamaged) {
			t.Errorf("file %d: %v, want ErrDamaged", i, err)
		}
		if now, err := os.ReadFile(path); err != nil || len(now) < len(b) {
			t.Errorf("file %d: %d bytes of %d left, %v", i, len(now), len(b), err)
		}
		os.Remove(path)
	}
	t.Logf("%d of %d damaged files refused", failed, len(files))
}
