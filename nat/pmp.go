package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
)

// pmpWaits returns the timeouts of the rounds of a request. The library retries within each round
// and cannot be interrupted, so the longest round bounds how long Close may wait.
func pmpWaits() [3]time.Duration {
	return [...]time.Duration{500 * time.Millisecond, time.Second, time.Second}
}

// pmpGateway is a router that speaks NAT-PMP, RFC 6886.
type pmpGateway struct {
	opt    *Options
	addr   netip.Addr
	mapped bool // there is a mapping, or may be
}

// findPMP asks the candidates for their external address, one after the other.
func (m *Mapper) findPMP(ctx context.Context) (gateway, error) {
	candidates := []netip.Addr{m.cfg.Addr}
	if !m.cfg.Addr.IsValid() {
		var err error
		if candidates, err = m.opt.Gateways(); err != nil {
			return nil, fail(PMP, "default gateway", err)
		}
	}
	errs := []error{fail(PMP, "default gateway", fmt.Errorf("%w: none known", ErrNoAnswer))}
	for i, a := range candidates {
		if a = a.Unmap(); i >= maxGateways || !a.Is4() {
			continue
		}
		g := &pmpGateway{opt: &m.opt, addr: a}
		_, err := g.external(ctx)
		if err == nil {
			return g, nil
		}
		if i == 0 {
			errs = nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (g *pmpGateway) method() Method { return PMP }

func (g *pmpGateway) open(ctx context.Context, want uint16) (grant, error) {
	addr, err := g.external(ctx)
	if err != nil {
		return grant{}, err // without an address a mapping is useless
	}
	held := g.mapped
	g.mapped = true // set before the answer: see abandon
	r, err := pmpCall(ctx, g.addr, func(c *natpmp.Client) (*natpmp.AddPortMappingResult, error) {
		return c.AddPortMapping("udp", int(g.opt.Port), int(want), int(g.opt.Lease/time.Second))
	})
	switch {
	case err != nil:
	case r.InternalPort != g.opt.Port || r.MappedExternalPort == 0:
		err = fmt.Errorf("%w: mapping of port %d to %d", ErrBadAnswer, r.InternalPort, r.MappedExternalPort)
	case r.PortMappingLifetimeInSeconds == 0:
		err = fmt.Errorf("%w: 0", ErrLease)
	}
	if err != nil {
		g.mapped = held || !errors.Is(err, ErrRefused)
		return grant{}, fail(PMP, "add mapping at "+g.addr.String(), err)
	}
	return grant{
		endpoint:  netip.AddrPortFrom(addr, r.MappedExternalPort),
		portKnown: true,
		lease:     time.Duration(r.PortMappingLifetimeInSeconds) * time.Second,
		mapped:    true,
	}, nil
}

// close deletes the mapping of the internal port, by a request with external port and lifetime 0.
// RFC 6886, Section 3.4.
func (g *pmpGateway) close(ctx context.Context) error {
	if !g.mapped {
		return nil
	}
	_, err := pmpCall(ctx, g.addr, func(c *natpmp.Client) (*natpmp.AddPortMappingResult, error) {
		return c.AddPortMapping("udp", int(g.opt.Port), 0, 0)
	})
	if err == nil {
		g.mapped = false
	}
	return fail(PMP, "delete mapping at "+g.addr.String(), err)
}

func (g *pmpGateway) external(ctx context.Context) (netip.Addr, error) {
	r, err := pmpCall(ctx, g.addr, (*natpmp.Client).GetExternalAddress)
	var a netip.Addr
	if err == nil {
		a, err = g.opt.external(netip.AddrFrom4(r.ExternalIPAddress))
	}
	return a, fail(PMP, "external address from "+g.addr.String(), err)
}

// pmpCall makes one request in rounds; ctx can end it between rounds. The library's errors are
// texts, so the text of the last error tells a bad answer from a missing one.
func pmpCall[R any](ctx context.Context, gateway netip.Addr, call func(*natpmp.Client) (R, error)) (R, error) {
	var none R
	for _, wait := range pmpWaits() {
		if deadline, ok := ctx.Deadline(); ok {
			wait = min(wait, time.Until(deadline))
		}
		if ctx.Err() != nil || wait <= 0 {
			break
		}
		begin := time.Now()
		r, err := call(natpmp.NewClientWithTimeout(gateway.AsSlice(), wait))
		if err == nil {
			return r, nil
		}
		var network net.Error
		switch {
		// such as ICMP port unreachable
		case errors.As(err, &network) && !network.Timeout():
			return none, fmt.Errorf("%w: %s", ErrNoAnswer, printable(err.Error()))
		case time.Since(begin) < wait: // an answer came, a refusal or an invalid one
			return none, pmpAnswer(err)
		}
	}
	return none, noAnswer(ctx)
}

// pmpAnswer tells a refusal (RFC 6886, Section 3.5) from an invalid answer.
func pmpAnswer(err error) error {
	var code int
	if _, e := fmt.Sscanf(err.Error(), "Non-zero result code %d", &code); e == nil {
		return &RefusedError{Code: code, Reason: printable(err.Error())}
	}
	return bad(err)
}
