package discv5

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
)

// memoryStore is a NodeStore that loses everything at the end of the test.
type memoryStore struct {
	act func() // if not nil, SaveNodes calls it

	mu        sync.Mutex
	records   map[enr.ID]*enr.Record
	addresses map[enr.ID][]AddressState
	nodes     map[enr.ID]SeenNode
	failed    []enr.ID
	broken    error
	saves     int
}

func (s *memoryStore) LocalRecord(id enr.ID) (*enr.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[id], s.broken
}

func (s *memoryStore) SaveLocalRecord(r *enr.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	if s.records == nil {
		s.records = make(map[enr.ID]*enr.Record)
	}
	s.records[r.ID()] = r
	return nil
}

func (s *memoryStore) Addresses(id enr.ID) ([]AddressState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addresses[id], s.broken
}

func (s *memoryStore) SaveAddresses(id enr.ID, states []AddressState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addresses == nil {
		s.addresses = make(map[enr.ID][]AddressState)
	}
	s.addresses[id] = states
	return s.broken
}

func (s *memoryStore) Nodes(max int) (list []*enr.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.SortedFunc(maps.Keys(s.nodes), func(a, b enr.ID) int { return slices.Compare(a[:], b[:]) }) {
		list = append(list, s.nodes[id].Record)
	}
	return list[:min(max, len(list))], s.broken
}

func (s *memoryStore) SaveNodes(live []SeenNode, failed []enr.ID) error {
	if s.act != nil {
		s.act()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	if s.saves++; s.nodes == nil {
		s.nodes = make(map[enr.ID]SeenNode)
	}
	for _, n := range live {
		s.nodes[n.Record.ID()] = n
	}
	for _, id := range failed {
		delete(s.nodes, id)
	}
	s.failed = append(s.failed, failed...)
	return nil
}

// A node that is started again has its record, which never falls back, and finds the network
// through the nodes of its last life, without a bootnode. It forgets the nodes that are gone
// for good.
func TestStoreOutlivesNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, store := newWire(), new(memoryStore)
		var others []*Node
		for i := range byte(4) {
			others = append(others, onWire(t, w, 10+i, func(c *Config) {
				if i > 0 {
					c.Bootnodes = Contacts(others[0].LocalRecord())
				}
			}))
			defer others[i].Close()
		}
		key, err := enr.ParsePrivateKey(append(make([]byte, 31), 5))
		if err != nil {
			t.Fatal(err)
		}
		start := func(boot ...*enr.Record) *Node {
			return onWire(t, w, 1, func(c *Config) { c.PrivateKey, c.Store, c.Bootnodes = key, store, Contacts(boot...) })
		}
		n := start(others[0].LocalRecord())
		first := n.LocalRecord().Seq()
		if r, _ := store.LocalRecord(n.ID()); r == nil || r.Seq() != first {
			t.Errorf("the first record was not saved before Start: %v", r)
		}
		time.Sleep(200 * time.Second)
		synctest.Wait()
		if store.saves < 2 || len(store.nodes) != len(others) {
			t.Errorf("%d saves, %d nodes", store.saves, len(store.nodes))
		}
		if err := n.UpdateRecord(func(b *enr.Builder) { b.SetUint("x", 1) }); err != nil {
			t.Fatal(err)
		}
		before := store.saves
		n.Close()
		if store.saves != before+1 {
			t.Errorf("%d saves at the end", store.saves-before)
		}
		// One of them is gone in the next life.
		others[2].Close()
		n = start()
		if seq := n.LocalRecord().Seq(); seq != first+1 {
			t.Errorf("sequence number %d after %d", seq, first+1)
		}
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		if live := n.Stats().Live; live != len(others)-1 {
			t.Errorf("%d live nodes without a bootnode", live)
		}
		if !slices.Contains(store.failed, others[2].ID()) || len(store.nodes) != len(others)-1 {
			t.Errorf("%d nodes in the store, %d failures", len(store.nodes), len(store.failed))
		}
		if s := n.Stats(); s.Saves == 0 || s.SaveErrors != 0 {
			t.Errorf("counted %d saves and %d errors", s.Saves, s.SaveErrors)
		}
		// A network that breaks down costs no node.
		failed := len(store.failed)
		w.SetRoute(func(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) { return from, to, false })
		time.Sleep(3*time.Hour + time.Second)
		synctest.Wait()
		if len(store.nodes) == 0 || len(store.failed) > failed+1 {
			t.Errorf("%d nodes, %d failures after an outage", len(store.nodes), len(store.failed)-failed)
		}
		n.Close()
	})
}

// New fails if the store cannot be read or the first record not be saved. Later the node continues,
// counts the errors, and keeps the record that it has.
func TestStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, w := errors.New("disk full"), newWire()
		store := &memoryStore{broken: full}
		at := w.Conn(netip.MustParseAddrPort("10.0.9.1:9000"))
		if n, err := New(Config{Conns: []fastpath.Conn{at}, Store: store}); !errors.Is(err, full) {
			n.Close()
			t.Errorf("New: %v", err)
		}
		store.broken = nil
		n := onWire(t, w, 1, func(c *Config) { c.Store, c.SaveInterval = store, 10*time.Second })
		defer n.Close()
		store.mu.Lock()
		store.broken = full
		store.mu.Unlock()
		before := n.LocalRecord()
		if err := n.UpdateRecord(func(b *enr.Builder) { b.SetUint("x", 1) }); !errors.Is(err, full) || n.LocalRecord() != before {
			t.Errorf("UpdateRecord: %v", err)
		}
		time.Sleep(time.Minute)
		if e := n.Stats().SaveErrors; e < 5 || e > 8 {
			t.Errorf("%d errors", e)
		}
		store.mu.Lock()
		store.broken = nil
		store.mu.Unlock()
		if err := n.UpdateRecord(func(b *enr.Builder) { b.SetUint("x", 1) }); err != nil {
			t.Errorf("UpdateRecord: %v", err)
		}
	})
}

// A store that somebody else has written to is not believed: records of other nodes, nodes without
// an address, this node itself, and odd addresses do no harm.
func TestStoreIsNotBelieved(t *testing.T) {
	key, other := keysAt(t, enr.ID{}, 256, 2), 1
	sign := func(b *enr.Builder, i int) *enr.Record {
		r, err := b.Sign(key[i])
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	at := netip.MustParseAddr("192.0.2.1")
	store := &memoryStore{
		records:   map[enr.ID]*enr.Record{key[0].ID(): sign(enr.NewBuilder().SetSeq(1<<62), other)},
		addresses: map[enr.ID][]AddressState{key[0].ID(): {{Family: 7}}},
		nodes: map[enr.ID]SeenNode{
			{1}: {Record: sign(enr.NewBuilder(), other)},
			{2}: {Record: sign(enr.NewBuilder().SetIP(at).SetUDP(1), 0)},
			{3}: {},
		},
	}
	n, err := New(Config{PrivateKey: key[0], Store: store, ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.LocalRecord().ID() != key[0].ID() || n.LocalRecord().Seq() >= 1<<62 || len(n.Bootnodes()) != 0 {
		t.Errorf("record %v, bootnodes %v", n.LocalRecord(), n.Bootnodes())
	}
}
