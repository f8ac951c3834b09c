//go:build !linux

package fastpath

import (
	"fmt"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

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
