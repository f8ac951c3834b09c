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

// stunWaits are the times from one sending of a request to the next. RFC 8489, Section 6.2.1, with
// fewer repetitions.
func stunWaits() [4]time.Duration {
	return [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second}
}

// QuerySTUN asks a server from a new socket. The address of the answer is the node's, if the node
// has but one; the port is the new socket's and says nothing about the node's. It takes 6.5 seconds
// at most. Errors are ErrNoAnswer, ErrBadAnswer, ErrTooLarge and *RefusedError, in an *Error.
func QuerySTUN(ctx context.Context, rand io.Reader, server netip.AddrPort) (netip.AddrPort, error) {
	t, err := NewTransaction(rand, server)
	if err != nil {
		return netip.AddrPort{}, err
	}
	// Connected: the system drops what other hosts send.
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(t.Server))
	if err != nil {
		return netip.AddrPort{}, fail(STUN, "query "+server.String(), fmt.Errorf("%w: %w", ErrNoAnswer, err))
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	a, err := t.query(ctx, conn)
	return a, fail(STUN, "query "+server.String(), err)
}

func (t Transaction) query(ctx context.Context, conn *net.UDPConn) (netip.AddrPort, error) {
	request := t.AppendRequest(nil)
	buf := make([]byte, STUNMaxAnswer+1)
	for _, wait := range stunWaits() {
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		if ctx.Err() != nil { // after the deadline was set: AfterFunc may have set its own before
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
			if a, err := t.Decode(buf[:n], t.Server); !errors.Is(err, ErrNotAnswer) {
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

// waiter is a request that was sent through the node's socket.
type waiter struct {
	t      Transaction
	answer chan stunAnswer // holds one
}

type stunAnswer struct {
	endpoint netip.AddrPort
	err      error
}

// Receive takes a datagram that came to the node's socket and is not discv5, and reports whether it
// is the answer that the Mapper waits for. It neither blocks nor keeps packet, and allocates
// nothing for other datagrams. It does nothing unless the method is STUN and Options.Send is set.
func (m *Mapper) Receive(packet []byte, from netip.AddrPort) bool {
	w := m.waiting.Load()
	if w == nil || !w.t.Recognizes(packet, from) {
		return false
	}
	a, err := w.t.Decode(packet, from)
	if errors.Is(err, ErrNotAnswer) {
		return false
	}
	select {
	case w.answer <- stunAnswer{a, err}:
	default: // a second answer to the same request
	}
	return true
}

// stunServer is a "gateway" without mappings.
type stunServer struct {
	m    *Mapper
	addr netip.AddrPort
}

// findSTUN resolves the server. The name is looked up again after each failure.
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
	own := s.m.opt.Send != nil
	var a netip.AddrPort
	var err error
	if own {
		a, err = s.m.ask(ctx, s.addr)
	} else {
		a, err = QuerySTUN(ctx, s.m.opt.Rand, s.addr)
	}
	if err != nil {
		return grant{}, err
	}
	addr, err := s.m.opt.external(a.Addr())
	if err == nil && addr.Is4() == s.m.opt.IPv6 {
		err = fmt.Errorf("%w: %s is of the other family", ErrBadAnswer, addr)
	}
	if err != nil {
		return grant{}, fail(STUN, "query "+s.addr.String(), err)
	}
	if !own {
		a = netip.AddrPortFrom(addr, want)
	}
	return grant{endpoint: netip.AddrPortFrom(addr, a.Port()), portKnown: own}, nil
}

// ask queries through the node's socket.
func (m *Mapper) ask(ctx context.Context, server netip.AddrPort) (netip.AddrPort, error) {
	t, err := NewTransaction(m.opt.Rand, server)
	if err != nil {
		return netip.AddrPort{}, err
	}
	w := &waiter{t: t, answer: make(chan stunAnswer, 1)}
	m.waiting.Store(w)
	defer m.waiting.Store(nil)
	op := "query " + server.String() + " through the node's socket"
	request := t.AppendRequest(nil)
	for _, wait := range stunWaits() {
		if err := m.opt.Send(request, server); err != nil {
			return netip.AddrPort{}, fail(STUN, op, fmt.Errorf("%w: %w", ErrNoAnswer, err))
		}
		timer := time.NewTimer(wait)
		select {
		case r := <-w.answer:
			timer.Stop()
			return r.endpoint, fail(STUN, op, r.err)
		case <-ctx.Done():
			timer.Stop()
			return netip.AddrPort{}, fail(STUN, op, noAnswer(ctx))
		case <-timer.C:
		}
	}
	return netip.AddrPort{}, fail(STUN, op, ErrNoAnswer)
}
