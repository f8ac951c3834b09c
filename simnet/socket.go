package simnet

import (
	"net/netip"

	"github.com/fastdisc/discv5/codec"
)

// Socket is an address that a test sends from and receives at directly: a peer that does not follow
// the protocol, an attacker, another program.
type Socket struct {
	n      *Network
	port   port
	onRecv func(from netip.AddrPort, b []byte)
}

// SocketConfig says where a socket is.
type SocketConfig struct {
	// Addr is its address; by default the network gives it a public IPv4 one, with port 9000.
	Addr netip.AddrPort
	// NAT, if not nil, is what it is behind. Addr is then one of the NAT's network.
	NAT *NAT
	// Place is where it is; by default the network chooses.
	Place Place
	// Receive is called with each datagram that arrives. b is valid during the call. nil drops
	// them.
	Receive func(from netip.AddrPort, b []byte)
}

// Listen opens a socket. It fails with ErrAddr or ErrAddrUsed.
func (n *Network) Listen(cfg SocketConfig) (*Socket, error) {
	if !cfg.Addr.IsValid() {
		a, err := n.freeAddr(cfg.NAT)
		if err != nil {
			return nil, err
		}
		cfg.Addr = netip.AddrPortFrom(a, nodePort)
	}
	s := &Socket{n: n, onRecv: cfg.Receive}
	s.port = port{addr: cfg.Addr, host: s, place: n.place(cfg.Place, cfg.NAT), nat: cfg.NAT}
	if err := n.attach(&s.port); err != nil {
		return nil, err
	}
	return s, nil
}

func (n *Network) freeAddr(behind *NAT) (netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if behind != nil {
		return behind.freeInside()
	}
	return n.freeAddr4(), nil
}

// place is where a host is for which p was given.
func (n *Network) place(p Place, behind *NAT) Place {
	switch {
	case behind != nil:
		return behind.place
	case p == (Place{}):
		n.mu.Lock()
		defer n.mu.Unlock()
		return somewhere(n.rng)
	}
	return p
}

func (s *Socket) listens(*port) bool { return true }

func (s *Socket) receive(_ *port, from netip.AddrPort, b []byte) {
	if s.onRecv != nil {
		s.onRecv(from, b)
	}
}

// Addr is the socket's address.
func (s *Socket) Addr() netip.AddrPort { return s.port.addr }

// Send sends b, which is copied. It cuts off everything after the size of the largest packet, 1280
// bytes.
func (s *Socket) Send(to netip.AddrPort, b []byte) { s.SendFrom(netip.AddrPort{}, to, b) }

// SendFrom sends b as if it came from another address: answers go there. A NAT does not translate
// it.
func (s *Socket) SendFrom(from, to netip.AddrPort, b []byte) {
	s.n.send(b[:min(len(b), codec.MaxPacketSize)], &s.port, from, to, nil)
}

// Close ends the socket. Datagrams that are under way to it are lost.
func (s *Socket) Close() { s.n.detach(&s.port) }
