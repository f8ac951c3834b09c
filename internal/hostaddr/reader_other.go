//go:build !linux

package hostaddr

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// pollInterval is the time between two checks of the addresses.
const pollInterval = 10 * time.Second

// Reader reads the addresses of this machine. It is safe for concurrent use.
type Reader struct {
	once   sync.Once
	closed chan struct{}
	last   []netip.Prefix // used by Wait only
}

// Open returns a Reader. Close it after use.
func Open() (*Reader, error) { return &Reader{closed: make(chan struct{})}, nil }

// Close closes r and ends Wait.
func (r *Reader) Close() { r.once.Do(func() { close(r.closed) }) }

// Wait blocks until addresses change. It returns os.ErrDeadlineExceeded at the deadline; the zero
// time means no deadline. It returns os.ErrClosed after Close. Only one goroutine may call it at a
// time.
func (r *Reader) Wait(deadline time.Time) error {
	if r.last == nil {
		r.last = r.now()
	}
	for {
		wait := pollInterval
		if !deadline.IsZero() {
			if wait = min(wait, time.Until(deadline)); wait <= 0 {
				return os.ErrDeadlineExceeded
			}
		}
		select {
		case <-r.closed:
			return os.ErrClosed
		case <-time.After(wait):
		}
		if now := r.now(); !slices.Equal(now, r.last) {
			r.last = now
			return nil
		}
	}
}

func (r *Reader) now() []netip.Prefix {
	list, _ := r.Addrs()
	now := make([]netip.Prefix, len(list))
	for i := range list {
		now[i] = list[i].Prefix
	}
	return now
}

// Addrs returns the addresses of all interfaces, without their flags.
func (r *Reader) Addrs() (list []Addr, err error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of the machine: %w", err)
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, Addr{Prefix: netip.PrefixFrom(netaddr.Normalize(p.Addr()), p.Bits())})
		}
	}
	return list, nil
}

// probePort is the destination port for Source. No datagram is sent there.
const probePort = 9

// Source returns the source address for packets to the given address. It is invalid if there is no
// route. It connects a UDP socket, which sends nothing.
func (r *Reader) Source(to netip.Addr) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, probePort)))
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	local, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	return netaddr.Normalize(local.AddrPort().Addr())
}
