package load

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// socket is one port of the generator. A worker owns it.
type socket struct {
	group *fastpath.Group
	conn  fastpath.Conn
	// endpoint is where the target sees what leaves from here, as far as this machine knows.
	endpoint netip.AddrPort
	members  []*identity // those with a session
	next     int         // whose turn it is
	list     list        // exchanges
}

// turn is the member whose turn it is. There must be one.
func (s *socket) turn() *identity {
	if s.next >= len(s.members) {
		s.next = 0
	}
	s.next++
	return s.members[s.next-1]
}

// openSocket binds a free port.
func openSocket(c *Config, source netip.Addr) (*socket, error) {
	group, err := fastpath.Listen(fastpath.Config{
		Addr: netip.AddrPortFrom(source, 0), MinSize: codec.MinPacketSize, MaxSize: codec.MaxPacketSize,
		RecvBuffer: c.Buffer, SendBuffer: c.Buffer, Portable: c.Portable, DisableGSO: c.DisableGSO, DisableGRO: c.DisableGRO,
	})
	if err != nil {
		return nil, fmt.Errorf("socket of a worker: %w", err)
	}
	s := &socket{group: group, conn: group.Conns()[0], list: newList(), endpoint: group.Addr()}
	if a := s.endpoint.Addr(); c.endpoints && a.IsUnspecified() {
		if a, err = localAddr(c.Target.Addr); err != nil {
			return nil, errors.Join(err, group.Close())
		}
		s.endpoint = netip.AddrPortFrom(a, s.endpoint.Port())
	}
	s.endpoint = netaddr.UnmapPort(s.endpoint)
	return s, nil
}
