package soak

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// peers are nodes of this process that find the bootnode and each other, and restart in turn.
type peers struct {
	boot     *enr.Record
	list     []*discv5.Node
	keys     []*enr.PrivateKey
	restarts atomic.Int64
}

// newPeers starts n nodes.
func newPeers(boot *enr.Record, n int) (*peers, error) {
	p := &peers{boot: boot, list: make([]*discv5.Node, n), keys: make([]*enr.PrivateKey, n)}
	for i := range n {
		if err := p.start(i); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

// start starts a peer on a free port. A peer that was there before has its key again.
func (p *peers) start(i int) (err error) {
	if p.keys[i] == nil {
		if p.keys[i], err = enr.GenerateKey(rand.Reader); err != nil {
			return err
		}
	}
	node, err := discv5.New(discv5.Config{
		PrivateKey: p.keys[i], ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Sockets: 1,
		Bootnodes: discv5.Contacts(p.boot), RefreshInterval: 2 * time.Second, RequestTimeout: 2 * time.Second,
	})
	if err != nil {
		return err
	}
	if err := node.Start(context.Background()); err != nil {
		node.Close()
		return err
	}
	p.list[i] = node
	return nil
}

// run restarts one peer each time until ctx ends. It comes back at another port, and each fourth
// time as another node.
func (p *peers) run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		i := n % len(p.list)
		if err := p.list[i].Close(); err != nil {
			return fmt.Errorf("peer %d: %w", i, err)
		}
		if n%4 == 3 {
			p.keys[i] = nil
		}
		if err := p.start(i); err != nil {
			return fmt.Errorf("peer %d: %w", i, err)
		}
		p.restarts.Add(1)
	}
}

func (p *peers) close() {
	for _, n := range p.list {
		if n != nil {
			n.Close()
		}
	}
}
