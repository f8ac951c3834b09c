package discv5

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// publicNode starts a node at a public address of a virtual network.
func publicNode(t *testing.T, w *wiretest.Net, addr string, change func(*Config)) *Node {
	t.Helper()
	cfg := Config{Conns: []fastpath.Conn{w.Conn(netip.MustParseAddrPort(addr))}, Sockets: 1, MaxSessions: 256, MaxChallenges: 256}
	return startNode(t, cfg, change)
}

// signed is a record of a new key that names an endpoint.
func signed(t *testing.T, addr string) *enr.Record {
	t.Helper()
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddrPort(addr)
	r, err := enr.NewBuilder().SetIP(a.Addr()).SetUDP(a.Port()).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Contacts of a list that others made are subject to rules from which the operator's own are free.
func TestListedContacts(t *testing.T) {
	for _, c := range []struct {
		addr     string
		lowPorts bool
		refused  bool
	}{
		{"30.1.1.1:9000", false, false}, {"10.0.0.1:9000", false, true}, {"127.0.0.1:9000", false, true},
		{"30.1.1.1:53", false, true}, {"30.1.1.1:53", true, false},
	} {
		t.Run(c.addr, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				n := publicNode(t, w, "20.0.0.1:9000", func(cfg *Config) { cfg.LowPorts = c.lowPorts })
				r := signed(t, c.addr)
				_, err := n.Ping(t.Context(), ListedContacts(r)[0])
				if errors.Is(err, ErrNoEndpoint) != c.refused {
					t.Errorf("listed: %v", err)
				}
				if _, err = n.Ping(t.Context(), ContactOf(r)); !errors.Is(err, ErrTimeout) {
					t.Errorf("the operator's: %v", err)
				}
			})
		})
	}
}

// Requests to an address that does not answer have a bound, and say so.
func TestBudgetBoundsTheOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		n := publicNode(t, w, "20.0.0.1:9000", nil)
		results := make(chan error)
		for range 120 {
			r := signed(t, "30.1.1.1:9000")
			go func() {
				_, err := n.Ping(t.Context(), ContactOf(r))
				results <- err
			}()
		}
		refused, silent := 0, 0
		for range 120 {
			switch err := <-results; {
			case errors.Is(err, ErrBudget):
				refused++
			case errors.Is(err, ErrTimeout):
				silent++
			default:
				t.Error(err)
			}
		}
		if silent != 50 || refused != 70 {
			t.Errorf("%d of 120 requests at one moment were sent, %d refused", silent, refused)
		}
	})
}

// ApplyTableFilter takes out the nodes that a filter refuses which has changed its mind, and a
// search has none of them as results.
func TestApplyTableFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.Delay = 10 * time.Millisecond
		other := publicNode(t, w, "30.1.1.1:9000", nil)
		var refused atomic.Bool
		n := publicNode(t, w, "20.0.0.1:9000", func(cfg *Config) {
			cfg.Bootnodes = Contacts(other.LocalRecord())
			cfg.TableFilter = func(r *enr.Record) bool { return !refused.Load() || r.ID() != other.ID() }
		})
		time.Sleep(10 * time.Second)
		if n.Stats().Live != 1 {
			t.Fatalf("%d live nodes", n.Stats().Live)
		}
		if left := n.ApplyTableFilter(); left != 0 {
			t.Errorf("%d nodes left without a cause", left)
		}
		synctest.Wait()
		refused.Store(true)
		if left := n.ApplyTableFilter(); left != 1 || n.Stats().Table != 0 {
			t.Errorf("%d nodes left, %d are in the table", left, n.Stats().Table)
		}
		for r := range n.Search(t.Context(), other.ID()) {
			t.Errorf("a result: %s", r.ID().Short())
		}
		if list, err := n.Lookup(t.Context(), other.ID()); err != nil || len(list) != 0 {
			t.Errorf("a lookup has %d results, %v", len(list), err)
		}
	})
}
