package serve

import (
	"net"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5/fastpath"
)

// geth is go-ethereum's node.
type geth struct {
	udp  *discover.UDPv5
	conn *net.UDPConn
	db   *enode.DB
}

func startGeth(spec Spec) (server, error) {
	key, err := crypto.HexToECDSA(spec.Key)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(spec.listen()))
	if err != nil {
		return nil, err
	}
	conn.SetReadBuffer(fastpath.BusyRecvBuffer)
	conn.SetWriteBuffer(fastpath.BusySendBuffer)
	db, err := enode.OpenDB("")
	if err != nil {
		return nil, err
	}
	local := enode.NewLocalNode(db, key)
	local.SetStaticIP(spec.listen().Addr().AsSlice())
	local.SetFallbackUDP(conn.LocalAddr().(*net.UDPAddr).Port)
	// The nodes of the table are real and answer, but the check of all of them takes a minute.
	cfg := discover.Config{PrivateKey: key, NoFindnodeLivenessCheck: true, Log: log.NewLogger(log.DiscardHandler())}
	for _, text := range spec.Bootnodes {
		n, err := enode.Parse(enode.ValidSchemes, text)
		if err != nil {
			return nil, err
		}
		cfg.Bootnodes = append(cfg.Bootnodes, n)
	}
	udp, err := discover.ListenV5(conn, local, cfg)
	if err != nil {
		return nil, err
	}
	return &geth{udp, conn, db}, nil
}

func (g *geth) ready() Reply {
	return Reply{Addr: g.conn.LocalAddr().String(), Records: []string{g.udp.Self().String()}}
}
func (g *geth) usage(*Usage) {}
func (g *geth) echo([]int)   {}
func (g *geth) close()       { g.udp.Close(); g.db.Close() }
