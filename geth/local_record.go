package geth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/fastdisc/discv5"
	own "github.com/fastdisc/discv5/enr"
)

// syncInterval is how often the record of the LocalNode is compared with the one that is served.
const syncInterval = 500 * time.Millisecond

// errNotLocal makes the node keep its record, because the LocalNode's differs from the one it made.
var errNotLocal = errors.New("geth: the local node's record differs")

// recordSync keeps the record that a node serves equal to that of the LocalNode.
//
// The LocalNode is the owner. A change there is copied into the node by push. A change that the
// node wants to make, because it has found its external address, is offered to the LocalNode by
// accept as a fallback address, and push copies the outcome. An address set by SetStaticIP makes
// the LocalNode ignore fallbacks; push then pins that address in the node.
type recordSync struct {
	ln   *enode.LocalNode
	key  *own.PrivateKey
	node *discv5.Node
	wake chan struct{} // has a token while accept has refused a record

	mu     sync.Mutex
	pushed uint64 // sequence number of the LocalNode's record that is served
	// refused has the endpoints, by family, that the node found and the LocalNode did not take.
	refused [2]netip.AddrPort
}

func newRecordSync(ln *enode.LocalNode, key *own.PrivateKey) (*recordSync, error) {
	s := &recordSync{ln: ln, key: key, wake: make(chan struct{}, 1)}
	if _, err := s.current(); err != nil {
		return nil, err
	}
	return s, nil
}

// current returns the LocalNode's record.
func (s *recordSync) current() (*own.Record, error) {
	b, err := rlp.EncodeToBytes(s.ln.Node().Record())
	if err != nil {
		return nil, fmt.Errorf("geth: encode the local node's record: %w", err)
	}
	r, err := own.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("geth: the local node's record: %w", err)
	}
	return r, nil
}

// configure sets what c needs of the LocalNode. The node begins with a version of the record that
// is two older, because New may add one: it must not serve a sequence number that the LocalNode has
// not reached.
func (s *recordSync) configure(c *discv5.Config, conn UDPConn) {
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok && s.ln.Node().UDP() == 0 {
		s.ln.SetFallbackUDP(a.Port)
	}
	r, err := s.current()
	if err != nil {
		return // newRecordSync has made the same conversion
	}
	if older, err := r.Edit().SetSeq(r.Seq() - 2).Sign(s.key); err == nil {
		c.Previous = older
	}
	c.SaveRecord = s.accept
}

// attach takes the endpoints that the new node has chosen over into the LocalNode, where that has
// none of its own, and makes the node serve the LocalNode's record.
func (s *recordSync) attach(node *discv5.Node) error {
	s.node = node
	s.offer(node.LocalRecord())
	return s.push()
}

// offer makes the endpoints of r the LocalNode's fallbacks and notes those that it does not take.
func (s *recordSync) offer(r *own.Record) {
	ln, err := s.current()
	if err != nil {
		return
	}
	found, has := endpoints(r), endpoints(ln)
	for f, a := range found {
		if a.IsValid() && a != has[f] {
			s.ln.SetFallbackIP(net.IP(a.Addr().AsSlice()))
			s.ln.SetFallbackUDP(int(a.Port()))
		}
	}
	if ln, err = s.current(); err != nil {
		return
	}
	has = endpoints(ln)
	s.mu.Lock()
	defer s.mu.Unlock()
	for f, a := range found {
		s.refused[f] = netip.AddrPort{}
		if a.IsValid() && has[f].IsValid() && a != has[f] {
			s.refused[f] = a
		}
	}
}

// accept is the node's SaveRecord: it lets pass what the LocalNode has signed as well.
func (s *recordSync) accept(r *own.Record) error {
	if ln, err := s.current(); err == nil && r.Equal(ln.View()) {
		return nil
	}
	s.offer(r)
	if ln, err := s.current(); err == nil && r.Equal(ln.View()) {
		return nil
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return errNotLocal
}

// push makes the node serve the LocalNode's record, and pins the addresses that the program has
// set.
func (s *recordSync) push() error {
	ln, err := s.current()
	if err != nil {
		return err
	}
	err = s.node.UpdateRecord(func(b *own.Builder) {
		for key := range s.node.LocalRecord().Pairs() {
			if _, ok := ln.Get(string(key)); !ok {
				b.Delete(string(key))
			}
		}
		for key, value := range ln.Pairs() {
			if k := string(key); k != "id" && k != "secp256k1" {
				b.Set(k, value)
			}
		}
		b.SetSeq(ln.Seq())
	})
	if err != nil {
		return fmt.Errorf("geth: serve the local node's record: %w", err)
	}
	if s.node.LocalRecord().Seq() != ln.Seq() {
		// The node leaves out a record that differs only by the next sequence number, as after two
		// changes that cancel each other. One more number makes it a new record.
		e := mark()
		s.ln.Set(e)
		s.ln.Delete(e)
		return errNotLocal
	}
	s.mu.Lock()
	s.pushed = ln.Seq()
	refused := s.refused
	s.refused = [2]netip.AddrPort{}
	s.mu.Unlock()
	for f, a := range endpoints(ln) {
		if refused[f].IsValid() && a.IsValid() && a != refused[f] {
			if err := s.node.SetEndpoint(a); err != nil {
				return fmt.Errorf("geth: keep the address that the program has set: %w", err)
			}
		}
	}
	return nil
}

// mark is an entry that no record keeps.
func mark() enr.Entry { return enr.WithEntry("discv5-sync", uint64(0)) }

// run follows the LocalNode until ctx ends. The next tick retries a push that fails: the usual
// cause is a record that has changed meanwhile.
func (s *recordSync) run(ctx context.Context) {
	tick := time.NewTicker(syncInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			s.push()
		case <-tick.C:
			s.mu.Lock()
			pushed := s.pushed
			s.mu.Unlock()
			if s.ln.Node().Seq() != pushed {
				s.push()
			}
		}
	}
}

// endpoints returns the UDP endpoints that r names, IPv4 first; the zero value where it names none.
func endpoints(r *own.Record) (e [2]netip.AddrPort) {
	e[0], _ = r.UDPEndpoint4()
	e[1], _ = r.UDPEndpoint6()
	return e
}
