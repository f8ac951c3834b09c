package geth

import (
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5"
	own "github.com/fastdisc/discv5/enr"
)

// UDPv5 is a running discv5 node. Its methods are those of go-ethereum's discover.UDPv5 and are
// safe for concurrent use.
type UDPv5 struct {
	node      *discv5.Node
	local     *enode.LocalNode
	records   *recordSync
	convert   converter
	unhandled *unhandled

	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	wg        sync.WaitGroup // the goroutines of this package
	closeOnce sync.Once
}

// ListenV5 starts a node on conn, which it takes over and closes. ln is the local record and names
// the node database, where the node finds the first nodes to contact beside cfg.Bootnodes. The
// error wraps ErrConfig if cfg asks for something that this package cannot do; conn stays open
// then.
func ListenV5(conn UDPConn, ln *enode.LocalNode, cfg Config) (*UDPv5, error) {
	if err := check(ln, &cfg); err != nil {
		return nil, err
	}
	key, err := privateKey(cfg.PrivateKey)
	if err != nil {
		return nil, err
	}
	t := &UDPv5{local: ln, unhandled: &unhandled{ch: cfg.Unhandled}}
	t.convert.init()
	t.ctx, t.cancel = context.WithCancel(context.Background())

	c := nodeConfig(&cfg, key, t.unhandled)
	for i, n := range cfg.Bootnodes {
		contact, err := t.convert.contact(n)
		if err != nil {
			t.cancel()
			return nil, fmt.Errorf("%w: bootnode %d: %w", ErrConfig, i+1, err)
		}
		c.Bootnodes = append(c.Bootnodes, contact)
	}
	c.Bootnodes = append(c.Bootnodes, t.seeds()...)
	t.records, err = newRecordSync(ln, key)
	if err != nil {
		t.cancel()
		return nil, err
	}
	t.records.configure(&c, conn)
	listen(&c, conn)
	if t.node, err = discv5.New(c); err != nil {
		t.cancel()
		return nil, err
	}
	if err := t.start(&cfg); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *UDPv5) start(cfg *Config) error {
	if err := t.records.attach(t.node); err != nil {
		return err
	}
	if cfg.NetRestrict != nil {
		if err := t.node.Restrict(*cfg.NetRestrict...); err != nil {
			return fmt.Errorf("%w: NetRestrict: %w", ErrConfig, err)
		}
	}
	if err := t.node.Start(t.ctx); err != nil {
		return err
	}
	t.wg.Go(func() { t.records.run(t.ctx) })
	t.wg.Go(t.saveNodes)
	return nil
}

// Close stops the node and closes the UDPConn.
func (t *UDPv5) Close() {
	t.closeOnce.Do(func() {
		t.cancel()
		t.wg.Wait()
		t.node.Close()
		t.unhandled.stop()
	})
}

// Self returns the local node with its current record.
func (t *UDPv5) Self() *enode.Node { return t.local.Node() }

// LocalNode returns the local node that ListenV5 was given.
func (t *UDPv5) LocalNode() *enode.LocalNode { return t.local }

// Node returns the discv5 node, for what go-ethereum's interface does not offer: statistics,
// events, sessions, bans.
func (t *UDPv5) Node() *discv5.Node { return t.node }

// AllNodes returns the nodes of the table, without those that wait for a place in it.
func (t *UDPv5) AllNodes() []*enode.Node {
	known := t.node.Nodes()
	nodes := make([]*enode.Node, 0, len(known))
	for _, k := range known {
		if n := t.convert.node(k.Record); n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// buckets is how many buckets Nodes returns: for log distances 240 to 256, where the first one also
// has all nodes that are closer.
const buckets = 17

// Nodes returns the nodes of the table by bucket. AddedToTable equals AddedToBucket: the node keeps
// one time for both.
func (t *UDPv5) Nodes() [][]BucketNode {
	list := make([][]BucketNode, buckets)
	for _, k := range t.node.Nodes() {
		n := t.convert.node(k.Record)
		if n == nil {
			continue
		}
		i := max(k.Distance-(256-buckets+1), 0)
		list[i] = append(list[i], BucketNode{
			Node: n, AddedToTable: k.Added, AddedToBucket: k.Added, Checks: k.Checks, Live: k.Live,
		})
	}
	return list
}

// GetNode returns the node with the given ID from the table, or else from the database, or nil.
func (t *UDPv5) GetNode(id enode.ID) *enode.Node {
	if k, ok := t.node.Known(own.ID(id)); ok {
		if n := t.convert.node(k.Record); n != nil {
			return n
		}
	}
	return t.local.Database().Node(id)
}

// AddKnownNode offers n to the table and reports whether it has a place there or waits for one.
// Unlike go-ethereum's method it does not take n for alive: the node checks it soon.
func (t *UDPv5) AddKnownNode(n *enode.Node) bool {
	r, err := t.convert.record(n)
	return err == nil && t.node.AddNode(r) == nil
}

// DeleteNode removes n from the table.
func (t *UDPv5) DeleteNode(n *enode.Node) { t.node.RemoveNode(own.ID(n.ID())) }
