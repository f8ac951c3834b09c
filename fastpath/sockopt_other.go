//go:build !linux

package fastpath

import (
	"fmt"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// reusePortSpreads is false: the BSDs and Windows let sockets share an address,
// but give all datagrams to one of them.
const reusePortSpreads = false

// The fast path does not exist here.
type (
	mmsgRx struct{}
	mmsgTx struct{}
)

func batchReason(*socket, *Config) string { return "recvmmsg is for Linux" }

func gsoReason(*socket, *Config, string) string { return "UDP_SEGMENT is for Linux" }

func groReason(*socket, *Config, string) string { return "UDP_GRO is for Linux" }

func newConn(s *socket, _ string) Conn { return newPortableConn(s) }

func enableReusePort(*socket) error { return nil }

// setOptions has nothing to set before binding.
func setOptions(_ uintptr, _ *Config, _ bool, o *sockOptions) error {
	o.filter = "socket filters are for Linux"
	o.dropSource = "none"
	return nil
}

// setBuffers asks for the buffer sizes. Less than asked is not an error.
func setBuffers(s *socket, cfg *Config) {
	if cfg.RecvBuffer > 0 {
		_ = s.udp.SetReadBuffer(cfg.RecvBuffer)
	}
	if cfg.SendBuffer > 0 {
		_ = s.udp.SetWriteBuffer(cfg.SendBuffer)
	}
	_ = s.raw.Control(func(fd uintptr) { s.opts.recvGot, s.opts.sendGot = bufferSizes(fd) })
}

// poll does nothing: the system has no counter of drops per socket.
func (*dropCounter) poll(*socket) {}

func newFastMux([]Conn, int, int) (mux, string, error) { return nil, "epoll is for Linux", nil }

// tellLocals has the system name the local address of each datagram, or says why not. A socket that
// is bound to an address needs none of that.
func tellLocals(s *socket) string {
	if !s.local.Addr().IsUnspecified() {
		return boundToOne
	}
	// The message that makes a datagram leave from an address is needed too.
	probe := localKey{addr: s.local.Addr(), index: 1}
	if len(marshalLocal(probe)) == 0 {
		return "the system does not let a datagram choose where it leaves from"
	}
	var err error
	if s.v4 {
		err = ipv4.NewPacketConn(s.udp).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	} else {
		err = ipv6.NewPacketConn(s.udp).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	}
	if err != nil {
		return fmt.Sprintf("packet info: %v", err)
	}
	return ""
}

func localLength(control []byte) int { return len(control) }

// pathMTUs are left to the system.
func (s *socket) setPathMTU(bool) bool { return false }
