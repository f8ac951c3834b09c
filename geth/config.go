package geth

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/mclock"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	own "github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
)

// Types of go-ethereum's package that programs name.
type (
	Config             = discover.Config
	UDPConn            = discover.UDPConn
	ReadPacket         = discover.ReadPacket
	SharedUDPConn      = discover.SharedUDPConn
	TalkRequestHandler = discover.TalkRequestHandler
	BucketNode         = discover.BucketNode
	UDPv4              = discover.UDPv4
)

// ErrConfig is wrapped by errors about a Config that this package cannot honor.
var ErrConfig = errors.New("geth: unusable configuration")

// Defaults of a Config that go-ethereum has too.
const (
	defaultResponseTimeout = 700 * time.Millisecond
	// seedCount and seedAge choose which nodes of the database a node contacts when it starts.
	seedCount = 30
	seedAge   = 5 * 24 * time.Hour
)

// ListenV4 is discover.ListenV4.
func ListenV4(c UDPConn, ln *enode.LocalNode, cfg Config) (*UDPv4, error) {
	return discover.ListenV4(c, ln, cfg)
}

// ListenUDP is discover.ListenUDP.
func ListenUDP(c UDPConn, ln *enode.LocalNode, cfg Config) (*UDPv4, error) {
	return discover.ListenUDP(c, ln, cfg)
}

// check reports why cfg cannot be honored for ln.
func check(ln *enode.LocalNode, cfg *Config) error {
	switch {
	case ln == nil:
		return fmt.Errorf("%w: no local node", ErrConfig)
	case cfg.PrivateKey == nil:
		return fmt.Errorf("%w: no private key", ErrConfig)
	case enode.PubkeyToIDV4(&cfg.PrivateKey.PublicKey) != ln.ID():
		return fmt.Errorf("%w: the private key is not that of local node %s", ErrConfig, ln.ID())
	}
	switch cfg.Clock.(type) {
	case nil, mclock.System, *mclock.System:
	default:
		return fmt.Errorf("%w: Clock is not the system's", ErrConfig)
	}
	if schemes, ok := cfg.ValidSchemes.(enr.SchemeMap); ok && schemes["v4"] == nil {
		return fmt.Errorf("%w: ValidSchemes lacks \"v4\"", ErrConfig)
	}
	return nil
}

// privateKey converts a key.
func privateKey(k *ecdsa.PrivateKey) (*own.PrivateKey, error) {
	key, err := own.ParsePrivateKey(crypto.FromECDSA(k))
	if err != nil {
		return nil, fmt.Errorf("%w: private key: %w", ErrConfig, err)
	}
	return key, nil
}

// nodeConfig translates cfg. The local node's part of it is set by recordSync.
func nodeConfig(cfg *Config, key *own.PrivateKey, u *unhandled) discv5.Config {
	c := discv5.Config{
		PrivateKey:      key,
		RequestTimeout:  cfg.V5RespTimeout,
		RefreshInterval: cfg.RefreshInterval,
	}
	if c.RequestTimeout <= 0 {
		c.RequestTimeout = defaultResponseTimeout
	}
	if cfg.V5ProtocolID != nil {
		c.Protocol = codec.Protocol{ID: *cfg.V5ProtocolID, Version: 1}
	}
	if cfg.Log != nil {
		c.Logger = slog.New(cfg.Log.Handler())
	}
	if cfg.Unhandled != nil {
		c.OtherProtocol = discv5.OtherProtocolFunc(u.deliver)
	}
	return c
}

// unhandled is Config.Unhandled. It belongs to the program, which may close it after Close of the
// node.
type unhandled struct {
	mu      sync.RWMutex
	ch      chan<- ReadPacket
	stopped bool
}

// deliver hands on a datagram of another protocol. A reader that does not keep up loses packets, as
// it would with a full socket buffer.
func (u *unhandled) deliver(from netip.AddrPort, b []byte) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.stopped {
		return
	}
	select {
	case u.ch <- ReadPacket{Data: bytes.Clone(b), Addr: from}:
	default:
	}
}

// stop ends delivery: no send is under way when it returns.
func (u *unhandled) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopped = true
}

// listen puts conn into c: as sockets that move batches if the node can use it so, else behind an
// adapter.
func listen(c *discv5.Config, conn UDPConn) {
	if u, ok := conn.(*net.UDPConn); ok && oneFamily(u) {
		c.PacketConns = []net.PacketConn{u}
		return
	}
	for _, p := range newPacketConns(conn) {
		c.Conns = append(c.Conns, fastpath.Conn(p))
	}
}

// oneFamily reports whether a socket surely takes datagrams of one address family only. A socket
// that is bound to the IPv6 wildcard may take both.
func oneFamily(u *net.UDPConn) bool {
	a, ok := u.LocalAddr().(*net.UDPAddr)
	return ok && !(a.IP.To4() == nil && a.IP.IsUnspecified()) && a.AddrPort().Addr().IsValid()
}
