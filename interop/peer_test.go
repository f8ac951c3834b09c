package interop

import (
	"crypto/ecdsa"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

const (
	// patientTimeout is how long nodes wait for an answer in tests that fail without it: a lost
	// answer must fail a test, a busy machine must not.
	patientTimeout = 6 * time.Second
	// responseTimeout is the same for networks: some nodes there never answer, and the others are
	// asked more than once.
	responseTimeout = 2 * time.Second
)

// peerConfig is the configuration of a go-ethereum node.
type peerConfig struct {
	addr         netip.AddrPort    // port 0: any
	key          *ecdsa.PrivateKey // nil: a fresh one
	bootnodes    []*enode.Node
	pingInterval time.Duration             // of table revalidation; 0: the default of go-ethereum
	timeout      time.Duration             // for an answer; 0: patientTimeout
	record       func(ln *enode.LocalNode) // changes the record before the start, if not nil
}

// peer is a go-ethereum node on a loopback socket.
type peer struct {
	*discover.UDPv5
	key   *ecdsa.PrivateKey
	addr  netip.AddrPort
	trace *packetTrace
	close func() // idempotent
}

// startPeer starts a node that ends with the test.
func startPeer(t *testing.T, cfg peerConfig) *peer {
	t.Helper()
	key := cfg.key
	if key == nil {
		var err error
		if key, err = crypto.GenerateKey(); err != nil {
			t.Fatal("generating a peer key:", err)
		}
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(cfg.addr))
	if err != nil {
		t.Fatal("peer socket:", err)
	}
	addr := unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort())
	db, err := enode.OpenDB("") // in memory
	if err != nil {
		conn.Close()
		t.Fatal("peer database:", err)
	}
	ln := enode.NewLocalNode(db, key)
	ln.SetStaticIP(addr.Addr().AsSlice())
	ln.SetFallbackUDP(int(addr.Port()))
	ln.Set(enr.TCP(addr.Port())) // enode URLs name the TCP port first
	if cfg.record != nil {
		cfg.record(ln)
	}

	if cfg.timeout == 0 {
		cfg.timeout = patientTimeout
	}
	trace := newPacketTrace()
	v5, err := discover.ListenV5(conn, ln, discover.Config{
		PrivateKey:    key,
		Bootnodes:     cfg.bootnodes,
		PingInterval:  cfg.pingInterval,
		V5RespTimeout: cfg.timeout,
		Log:           log.NewLogger(trace),
	})
	if err != nil {
		conn.Close()
		db.Close()
		t.Fatal("starting a peer:", err)
	}
	closed := false
	p := &peer{UDPv5: v5, key: key, addr: addr, trace: trace}
	p.close = func() {
		if !closed {
			closed = true
			v5.Close()
			db.Close()
		}
	}
	t.Cleanup(p.close)
	return p
}
