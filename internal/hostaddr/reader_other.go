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

// pollInterval is the time between two looks at the addresses.
const pollInterval = 10 * time.Second

// Reader reads the addresses of this machine. Its methods are safe for concurrent use.
type Reader struct {
	once   sync.Once
	closed chan struct{}
	last   []netip.Prefix // of Wait alone
}

// Open returns a Reader, to be closed.
func Open() (*Reader, error) { return &Reader{closed: make(chan struct{})}, nil }

// Close closes r and ends Wait.
func (r *Reader) Close() { r.once.Do(func() { close(r.closed) }) }

// Wait waits until addresses have changed, or until the deadline, for which it returns
// os.ErrDeadlineExceeded; the zero time means none. It returns os.ErrClosed after Close. One
// goroutine at a time may call it.
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

// Addrs lists the addresses of all interfaces. Nothing is known of them but that they are there.
func (r *Reader) Addrs() (list []Addr, err error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("hostaddr: list addresses: %w", err)
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, Addr{Prefix: netip.PrefixFrom(netaddr.Normalize(p.Addr()), p.Bits())})
		}
	}
	return list, nil
}

// probePort is the port of the addresses that are asked about. No datagram is sent there.
const probePort = 9

// Source returns the address that the system sends from to another one. It is invalid if there is
// no route. Connecting a UDP socket sends nothing.
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
