package nat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// stunWaits returns the timeouts of a request and its retries. RFC 8489, Section 6.2.1, with fewer
// retries.
func stunWaits() [4]time.Duration {
	return [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second}
}

// QuerySTUN queries a server from a new socket. The address of the answer is the node's, if the
// node has only one. The port belongs to the new socket and says nothing about the node's port. It
// takes at most 6.5 seconds. Errors are ErrNoAnswer, ErrBadAnswer, ErrTooLarge and *RefusedError,
// in an *Error.
func QuerySTUN(ctx context.Context, rand io.Reader, server netip.AddrPort) (netip.AddrPort, error) {
	t, err := newTransaction(rand, server)
	if err != nil {
		return netip.AddrPort{}, err
	}
	// On a connected socket the system drops packets from other hosts.
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(t.Server))
	if err != nil {
		return netip.AddrPort{}, fail(STUN, "query "+server.String(), fmt.Errorf("%w: %w", ErrNoAnswer, err))
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	a, err := t.query(ctx, conn)
	return a, fail(STUN, "query "+server.String(), err)
}

func (t transaction) query(ctx context.Context, conn *net.UDPConn) (netip.AddrPort, error) {
	request := t.appendRequest(nil)
	buf := make([]byte, stunMaxAnswer+1)
	for _, wait := range stunWaits() {
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		// after the deadline was set, because AfterFunc may have set its own before
		if ctx.Err() != nil {
			break
		}
		if _, err := conn.Write(request); err != nil {
			return netip.AddrPort{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
		}
		for {
			n, err := conn.Read(buf)
			var network net.Error
			if errors.As(err, &network) && network.Timeout() {
				break
			}
			if err != nil { // such as ICMP port unreachable
				return netip.AddrPort{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
			}
			if a, err := t.decode(buf[:n], t.Server); !errors.Is(err, errNotAnswer) {
				return a, err
			}
		}
	}
	return netip.AddrPort{}, noAnswer(ctx)
}

func noAnswer(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return ErrNoAnswer
}

// stunServer is a gateway without mappings.
type stunServer struct {
	m    *Mapper
	addr netip.AddrPort
}

// findSTUN resolves the server. It resolves the name once more after each failure.
func (m *Mapper) findSTUN(ctx context.Context) (gateway, error) {
	host, port, err := net.SplitHostPort(m.cfg.Server)
	if err != nil {
		return nil, fail(STUN, "server", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fail(STUN, "server", err)
	}
	network := "ip4"
	if m.opt.IPv6 {
		network = "ip6"
	}
	list := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		list = append(list, a)
	} else if list, err = m.opt.Resolve(ctx, network, host); err != nil {
		return nil, fail(STUN, "resolve "+host, fmt.Errorf("%w: %w", ErrNoAnswer, err))
	}
	for _, a := range list {
		if a = a.Unmap(); a.Is4() != m.opt.IPv6 && !a.IsUnspecified() && !a.IsMulticast() {
			return &stunServer{m: m, addr: netip.AddrPortFrom(a, uint16(n))}, nil
		}
	}
	return nil, fail(STUN, "server", fmt.Errorf("%w: %s has no usable %s address", ErrNoAnswer, host, network))
}

func (s *stunServer) method() Method { return STUN }

func (s *stunServer) close(context.Context) error { return nil }

func (s *stunServer) open(ctx context.Context, want uint16) (grant, error) {
	a, err := QuerySTUN(ctx, s.m.opt.Rand, s.addr)
	if err != nil {
		return grant{}, err
	}
	addr, err := s.m.opt.external(a.Addr())
	if err == nil && addr.Is4() == s.m.opt.IPv6 {
		err = fmt.Errorf("%w: %s has the wrong address family", ErrBadAnswer, addr)
	}
	if err != nil {
		return grant{}, fail(STUN, "query "+s.addr.String(), err)
	}
	return grant{endpoint: netip.AddrPortFrom(addr, want)}, nil
}
