package hostaddr

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Attributes of linux/if_link.h and the header for neighbors that are missing in package syscall.
const (
	iflaMaster      = 10
	iflaLinkInfo    = 18
	iflaNumRxQueues = 32
	iflaInfoKind    = 1
	arphrdEther     = 1
	ndaDst          = 1
	ndaLLAddr       = 2
	ndMsgLen        = 12
	// NUD_REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT: the address is known.
	nudKnown = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80
)

// Link is a network interface.
type Link struct {
	Index    int
	Up       bool
	Ethernet bool
	MAC      [6]byte // if Ethernet
	MTU      int     // bytes of an IP packet
	Kind     string  // such as "veth" or "bond"; empty for hardware
	Master   int     // index of the bridge, bond or VRF that it belongs to, 0 for none
	RxQueues int     // receive queues that it can have
}

// ErrNoLink reports that there is no interface of that name.
var ErrNoLink = errors.New("no such network interface")

// Link returns the interface with the given name.
func (r *Reader) Link(name string) (l Link, err error) {
	err = r.request(syscall.RTM_GETLINK, make([]byte, syscall.SizeofIfInfomsg), []attribute{{syscall.IFLA_IFNAME, append([]byte(name), 0)}},
		func(m *syscall.NetlinkMessage) bool {
			if m.Header.Type == syscall.RTM_NEWLINK {
				l = parseLink(m)
			}
			return true
		})
	if errors.Is(err, errRefused) || err == nil && l.Index == 0 {
		err = ErrNoLink
	}
	return l, err
}

func parseLink(m *syscall.NetlinkMessage) (l Link) {
	if len(m.Data) < syscall.SizeofIfInfomsg {
		return l
	}
	l.Ethernet = binary.NativeEndian.Uint16(m.Data[2:]) == arphrdEther
	l.Index = int(binary.NativeEndian.Uint32(m.Data[4:]))
	l.Up = binary.NativeEndian.Uint32(m.Data[8:])&syscall.IFF_UP != 0
	list, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return Link{}
	}
	for _, a := range list {
		switch v := a.Value; a.Attr.Type & 0x3fff {
		case syscall.IFLA_ADDRESS:
			if len(v) == len(l.MAC) {
				copy(l.MAC[:], v)
			} else {
				l.Ethernet = false
			}
		case syscall.IFLA_MTU:
			l.MTU = number(v)
		case iflaMaster:
			l.Master = number(v)
		case iflaNumRxQueues:
			l.RxQueues = number(v)
		case iflaLinkInfo:
			l.Kind = infoKind(v)
		}
	}
	return l
}

func number(v []byte) int {
	if len(v) != 4 {
		return 0
	}
	return int(binary.NativeEndian.Uint32(v))
}

// infoKind finds the kind in the nested attributes of IFLA_LINKINFO.
func infoKind(b []byte) string {
	for len(b) >= syscall.SizeofRtAttr {
		n := int(binary.NativeEndian.Uint16(b))
		if n < syscall.SizeofRtAttr || n > len(b) {
			return ""
		}
		if binary.NativeEndian.Uint16(b[2:])&0x3fff == iflaInfoKind {
			return strings.TrimRight(string(b[syscall.SizeofRtAttr:n]), "\x00")
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return ""
}

// NextHop returns the interface through which packets from a local address to another host leave,
// and the neighbor that they are sent to. ok is false if there is no route.
func (r *Reader) NextHop(from, to netip.Addr) (index int, via netip.Addr, ok bool) {
	route := make([]byte, syscall.SizeofRtMsg)
	route[0], route[1], route[2] = syscall.AF_INET, byte(to.BitLen()), byte(from.BitLen())
	if to.Is6() {
		route[0] = syscall.AF_INET6
	}
	err := r.request(syscall.RTM_GETROUTE, route, []attribute{{syscall.RTA_DST, to.AsSlice()}, {syscall.RTA_SRC, from.AsSlice()}},
		func(m *syscall.NetlinkMessage) bool {
			if m.Header.Type == syscall.RTM_NEWROUTE && len(m.Data) >= syscall.SizeofRtMsg && m.Data[7] == syscall.RTN_UNICAST {
				index, via = parseNextHop(m)
			}
			return true
		})
	if err != nil || index == 0 {
		return 0, netip.Addr{}, false
	}
	if !via.IsValid() {
		via = to
	}
	return index, via, true
}

// rtaVia is the attribute of an IPv4 route whose router has an IPv6 address.
const rtaVia = 18

func parseNextHop(m *syscall.NetlinkMessage) (index int, via netip.Addr) {
	list, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return 0, via
	}
	for _, a := range list {
		v := a.Value
		switch a.Attr.Type {
		case syscall.RTA_OIF:
			index = number(v)
		case rtaVia:
			if len(v) < 2 {
				continue
			}
			v = v[2:]
			fallthrough
		case syscall.RTA_GATEWAY:
			if x, ok := netip.AddrFromSlice(v); ok {
				via = netaddr.Normalize(x)
			}
		}
	}
	return index, via
}

// Neighbor returns the Ethernet address of a neighbor on an interface, if the system knows it.
func (r *Reader) Neighbor(index int, a netip.Addr) (mac [6]byte, ok bool) {
	head := make([]byte, ndMsgLen)
	head[0] = syscall.AF_INET
	if a.Is6() {
		head[0] = syscall.AF_INET6
	}
	binary.NativeEndian.PutUint32(head[4:], uint32(index))
	err := r.request(syscall.RTM_GETNEIGH, head, []attribute{{ndaDst, a.AsSlice()}}, func(m *syscall.NetlinkMessage) bool {
		if m.Header.Type != syscall.RTM_NEWNEIGH || len(m.Data) < ndMsgLen || binary.NativeEndian.Uint16(m.Data[8:])&nudKnown == 0 {
			return true
		}
		b := m.Data[ndMsgLen:]
		for len(b) >= syscall.SizeofRtAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < syscall.SizeofRtAttr || n > len(b) {
				break
			}
			if binary.NativeEndian.Uint16(b[2:])&0x3fff == ndaLLAddr && n == syscall.SizeofRtAttr+len(mac) {
				ok = true
				copy(mac[:], b[syscall.SizeofRtAttr:])
			}
			b = b[min(len(b), (n+3)&^3):]
		}
		return true
	})
	return mac, ok && err == nil
}

// attribute is one attribute of a request.
type attribute struct {
	kind  uint16
	value []byte
}

// request sends a request of one kind, and calls each with the answers; see ask.
func (r *Reader) request(kind uint16, header []byte, attributes []attribute, each func(*syscall.NetlinkMessage) bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return os.ErrClosed
	}
	q := make([]byte, syscall.NLMSG_HDRLEN, 128)
	q = append(q, header...)
	for _, a := range attributes {
		q = binary.NativeEndian.AppendUint16(q, uint16(syscall.SizeofRtAttr+len(a.value)))
		q = binary.NativeEndian.AppendUint16(q, a.kind)
		q = append(q, a.value...)
		for len(q)%4 != 0 {
			q = append(q, 0)
		}
	}
	r.seq++
	binary.NativeEndian.PutUint32(q, uint32(len(q)))
	binary.NativeEndian.PutUint16(q[4:], kind)
	binary.NativeEndian.PutUint16(q[6:], syscall.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(q[8:], r.seq)
	return r.ask(q, each)
}
