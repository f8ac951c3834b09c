package load

import (
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
)

// socket is one port of the generator. A worker owns it.
type socket struct {
	group   *fastpath.Group
	conn    fastpath.Conn
	members []*identity // those with a session
	next    int         // whose turn it is
	list    list        // exchanges
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
		return nil, fmt.Errorf("load: %w", err)
	}
	return &socket{group: group, conn: group.Conns()[0], list: newList()}, nil
}
