package xdp

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/internal/hostaddr"
)

// host is the state of an interface. It does not change once it is published.
type host struct {
	mac   uint64
	mtu   int
	own   map[netip.Addr]bool
	bytes [256]bool // last bytes of own, which rule out nearly all others
}

func newHost(l hostaddr.Link, own []netip.Addr) *host {
	h := &host{mac: macOf(l.MAC[:]), mtu: l.MTU, own: make(map[netip.Addr]bool, len(own))}
	for _, a := range own {
		h.own[a] = true
		h.bytes[lastByte(a)] = true
	}
	return h
}

func lastByte(a netip.Addr) byte { return a.As16()[15] }

// owns reports whether the interface has an address.
func (h *host) owns(a netip.Addr) bool { return h.bytes[lastByte(a)] && h.own[a] }

// usableLink returns nil if an interface can be used. Where frames of other hosts or other
// interfaces pass, the package is not tested.
func usableLink(name string, l hostaddr.Link) error {
	switch {
	case !l.Ethernet:
		return fmt.Errorf("%w: %s is not an Ethernet interface", ErrInterface, name)
	case l.Kind != "" && l.Kind != "veth":
		return fmt.Errorf("%w: %s is a %s", ErrInterface, name, l.Kind)
	case l.Master != 0:
		return fmt.Errorf("%w: %s is part of a bridge, a bond or a VRF", ErrInterface, name)
	}
	return nil
}

// addressesOf returns the addresses of an interface that datagrams can be redirected for.
// Link-local addresses need the interface in each answer: the kernel handles them.
func addressesOf(list []hostaddr.Addr, index int) (own []netip.Addr) {
	for i := range list {
		a := list[i].Addr()
		if list[i].Index == index && !list[i].Tentative && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.IsLoopback() {
			own = append(own, a)
		}
	}
	return own
}

// channels is struct ethtool_channels.
type channels struct {
	command                                     uint32
	maxRx, maxTx, maxOther, maxCombined         uint32
	rxCount, txCount, otherCount, combinedCount uint32
}

// channelsRequest is struct ifreq with a pointer.
type channelsRequest struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// receiveQueues returns the number of receive queues of an interface. Drivers that cannot change it
// do not tell: then it is the most that the interface can have.
func receiveQueues(name string, l hostaddr.Link) int {
	c := channels{command: unix.ETHTOOL_GCHANNELS}
	if err := ethtool(name, &c); err == nil && c.rxCount+c.combinedCount > 0 {
		return int(c.rxCount + c.combinedCount)
	}
	return max(1, l.RxQueues)
}

// ethtool makes a request about the channels of an interface.
func ethtool(name string, c *channels) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r := channelsRequest{data: unsafe.Pointer(c)}
	copy(r.name[:unix.IFNAMSIZ-1], name)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r))); e != 0 {
		return e
	}
	return nil
}
