package serve

import (
	"context"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
)

// loopback is where servers listen that are not told otherwise.
var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// listen is where a server listens. StartProgram has checked it.
func (s Spec) listen() netip.AddrPort {
	if a, err := netip.ParseAddrPort(s.Listen); err == nil {
		return a
	}
	return loopback
}

// nodes are nodes of this project: one that is measured, or many that fill tables.
type nodes []*discv5.Node

func startNode(spec Spec) (server, error) {
	n, err := newNode(spec.Key, spec, nil)
	if err != nil {
		return nil, err
	}
	return nodes{n}, nil
}

// startPeers runs nodes with records of the size that is usual on the network.
func startPeers(spec Spec) (server, error) {
	var list nodes
	for _, key := range spec.Peers {
		k, err := enr.ParsePrivateKeyHex(key)
		if err != nil {
			return nil, err
		}
		// The entries of a consensus client: fork digest, subnets, TCP and QUIC ports.
		rec, err := enr.NewBuilder().SetSeq(42).
			SetBytes("eth2", make([]byte, 16)).SetBytes("attnets", make([]byte, 8)).
			SetBytes("syncnets", make([]byte, 1)).SetUint("cgc", 4).SetBytes("nfd", make([]byte, 4)).
			SetTCP(9000).SetQUIC(9001).Sign(k)
		if err != nil {
			return nil, err
		}
		n, err := newNode(key, Spec{Listen: spec.Listen}, rec)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

func newNode(key string, spec Spec, previous *enr.Record) (*discv5.Node, error) {
	k, err := enr.ParsePrivateKeyHex(key)
	if err != nil {
		return nil, err
	}
	cfg := discv5.Config{
		PrivateKey: k, ListenAddrs: []netip.AddrPort{spec.listen()}, Sockets: max(spec.Workers, 1), Previous: previous,
		DisableGSO: spec.Single, MaxSessions: spec.Sessions, MaxChallenges: spec.Challenges, RequestTimeout: 5 * time.Second,
	}
	if spec.Registrar {
		// A scale at which a thousand nodes fill the cache to where others have to wait.
		cfg.Topics = discv5.TopicConfig{Registrar: true, WaitScale: 1e-4}
	}
	if spec.XDP != "" {
		var err error
		if cfg.Accelerate, err = accelerate(spec.XDP); err != nil {
			return nil, err
		}
	}
	for _, text := range spec.Bootnodes {
		r, err := enr.ParseText(text)
		if err != nil {
			return nil, err
		}
		cfg.Bootnodes = append(cfg.Bootnodes, discv5.Contacts(r)...)
	}
	n, err := discv5.New(cfg)
	if err != nil {
		return nil, err
	}
	if err := n.Start(context.Background()); err != nil {
		n.Close()
		return nil, err
	}
	if spec.XDP != "" {
		if err := accelerated(accelerations(n)); err != nil {
			n.Close()
			return nil, err
		}
	}
	return n, nil
}

func (l nodes) ready() Reply {
	r := Reply{Addr: l[0].Addrs()[0].String()}
	for _, n := range l {
		r.Records = append(r.Records, n.LocalRecord().View().String())
	}
	return r
}

func (l nodes) usage(u *Usage) {
	st := l[0].Stats()
	countSocket(u, st.Sockets)
	countAccelerated(u, accelerations(l[0]))
	u.Sessions = st.Sessions.Sessions
	u.Dropped = make(map[string]uint64)
	for i, v := range st.Counters {
		if info := engine.Counter(i).Info(); info.Metric == "dropped_total" && v > 0 {
			u.Dropped[info.Value] = v
		}
	}
}

// accelerations are those of all sockets of a node, which has one listen address.
func accelerations(n *discv5.Node) (list []fastpath.Acceleration) {
	for _, i := range n.Sockets() {
		list = append(list, i.Accelerations...)
	}
	return list
}

func countSocket(u *Usage, st fastpath.ConnStats) {
	u.RxPackets, u.RxBatches, u.TxBatches, u.Drops = st.RxDatagrams, st.RxBatches, st.TxBatches, st.KernelDrops
}

func (l nodes) echo([]int) {}

func (l nodes) close() {
	for _, n := range l {
		n.Close()
	}
}
