package main

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
)

// TestMadeUpForks: nodes that name ever new forks cost a bounded number of groups on the page, and
// of values of labels.
func TestMadeUpForks(t *testing.T) {
	_, chain := testChain(t, forks.FarFuture, time.Now())
	n := newNetwork(&chainOptions{chain: chain})
	const nodes = 300
	for range nodes {
		secret := make([]byte, enr.PrivateKeySize)
		if _, err := rand.Read(secret); err != nil {
			t.Fatal(err)
		}
		key, err := enr.ParsePrivateKey(secret)
		if err != nil {
			t.Fatal(err)
		}
		r, err := enr.NewBuilder().SetEth2(enr.Eth2{ForkDigest: [4]byte(secret)}).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if n.filter.Allow(r) {
			t.Fatalf("a node of fork %x is served", secret[:4])
		}
	}
	view, sum := viewOfCounts(n.filter.Refused()), 0
	for _, v := range view {
		sum += v.Nodes
	}
	// Two nodes may share a slot of the filter's memory.
	if len(view) != maxForkCounts+1 || view[maxForkCounts].Match != "rest" || sum > nodes || sum < nodes*9/10 {
		t.Errorf("%d groups, %d nodes, last %+v", len(view), sum, view[len(view)-1])
	}
	node, err := discv5.New(discv5.Config{ListenAddrs: mustAddrs("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	metrics := make(chan prometheus.Metric, 1000)
	newForkCollector(n, node).Collect(metrics)
	close(metrics)
	if len(metrics) > 2+2 { // one of all refused nodes, and two about the chain
		t.Errorf("%d metrics", len(metrics))
	}
}
