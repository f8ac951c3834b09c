package nat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"

	"github.com/fastdisc/discv5/internal/quote"
)

// Error codes of AddPortMapping. WANIPConnection:2, Section 2.5.16.
const (
	upnpInvalidArgs   = 402 // how some routers say OnlyPermanentLeases
	upnpNoSuchEntry   = 714
	upnpConflict      = 718 // the external port belongs to another host
	upnpOnlyPermanent = 725
)

// upnpOtherPorts is how many random ports are tried if the wanted one is taken.
const upnpOtherPorts = 3

// wanService is what WANIPConnection 1 and 2 and WANPPPConnection 1 have in common.
type wanService interface {
	AddPortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string, internalPort uint16,
		internalClient string, enabled bool, description string, lease uint32) error
	DeletePortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string) error
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
}

// upnpGateway is one WAN connection of a router.
type upnpGateway struct {
	opt       *Options
	service   wanService
	transport *httpTransport
	local     netip.Addr // of the node, seen by the router
	ext       uint16     // external port that is mapped, or may be; 0: none
}

// findUPnP searches the router and returns its first connection that has a usable external address.
func (m *Mapper) findUPnP(ctx context.Context) (gateway, error) {
	devices, err := searchIGD(ctx, m.opt.SSDP)
	if err != nil {
		return nil, fail(UPnP, "search", err)
	}
	var errs []error
	left := maxGateways
	for _, d := range devices {
		t := newHTTPTransport()
		root, err := describe(ctx, t, d)
		if err != nil {
			errs = append(errs, fail(UPnP, "description of "+d.addr.String(), err))
			continue
		}
		services, err := wanServices(root, d, t.client())
		if err != nil {
			errs = append(errs, fail(UPnP, "description of "+d.addr.String(), err))
		}
		for _, s := range services {
			if left--; left < 0 {
				break
			}
			g := &upnpGateway{opt: &m.opt, service: s, transport: t, local: d.local}
			if _, err := g.external(ctx); err != nil {
				errs = append(errs, err)
				continue
			}
			return g, nil
		}
	}
	return nil, errors.Join(errs...)
}

// wanServices lists the connections in a description whose control URL is on the device itself. The
// error is about those that are not, or that there are none.
func wanServices(root *goupnp.RootDevice, d device, client http.Client) ([]wanService, error) {
	var list []wanService
	var wrong error
	add := func(c *goupnp.ServiceClient, s wanService) {
		if err := onHost(&c.SOAPClient.EndpointURL, d.addr); err != nil {
			wrong = err
			return
		}
		c.SOAPClient.HTTPClient = client
		list = append(list, s)
	}
	ip2, _ := internetgateway2.NewWANIPConnection2ClientsFromRootDevice(root, d.location)
	for _, s := range ip2 {
		add(&s.ServiceClient, s)
	}
	ip1, _ := internetgateway2.NewWANIPConnection1ClientsFromRootDevice(root, d.location)
	for _, s := range ip1 {
		add(&s.ServiceClient, s)
	}
	ppp, _ := internetgateway2.NewWANPPPConnection1ClientsFromRootDevice(root, d.location)
	for _, s := range ppp {
		add(&s.ServiceClient, s)
	}
	if wrong == nil && len(list) == 0 {
		wrong = fmt.Errorf("%w: device has no WAN connection", ErrBadAnswer)
	}
	return list, wrong
}

func (g *upnpGateway) method() Method { return UPnP }

// open maps want, the port that it has, or another one.
func (g *upnpGateway) open(ctx context.Context, want uint16) (grant, error) {
	addr, err := g.external(ctx)
	if err != nil {
		return grant{}, err // before there is a mapping: it would be of no use
	}
	ports := []uint16{want}
	for range upnpOtherPorts {
		var b [2]byte
		if _, err := io.ReadFull(g.opt.Rand, b[:]); err != nil {
			return grant{}, fail(UPnP, "random port", err)
		}
		ports = append(ports, 49152|binary.BigEndian.Uint16(b[:])&0x3fff)
	}
	for _, p := range ports {
		held := g.ext == p
		err = g.add(ctx, p)
		if held && refusal(err) == upnpConflict { // a router that does not know renewal
			_ = g.close(ctx)
			err = g.add(ctx, p)
		}
		if err == nil {
			return grant{endpoint: netip.AddrPortFrom(addr, p), portKnown: true, mapped: true}, nil
		}
		if refusal(err) != upnpConflict {
			break
		}
	}
	return grant{}, fail(UPnP, "add mapping", err)
}

// add maps one external port. Some routers know no leases: theirs is renewed all the same, and
// deleted by close.
func (g *upnpGateway) add(ctx context.Context, port uint16) error {
	was := g.ext
	g.ext = port // before the answer: see abandon
	var err error
	for _, lease := range []uint32{uint32(g.opt.Lease / time.Second), 0} {
		err = g.result(g.service.AddPortMappingCtx(ctx, "", port, "UDP", g.opt.Port, g.local.String(), true, g.opt.Description, lease))
		if c := refusal(err); c != upnpOnlyPermanent && c != upnpInvalidArgs {
			break
		}
	}
	if errors.Is(err, ErrRefused) {
		g.ext = was
	}
	return err
}

func (g *upnpGateway) close(ctx context.Context) error {
	if g.ext == 0 {
		return nil
	}
	err := g.result(g.service.DeletePortMappingCtx(ctx, "", g.ext, "UDP"))
	if err == nil || refusal(err) == upnpNoSuchEntry {
		g.ext = 0
		return nil
	}
	return fail(UPnP, "delete mapping", err)
}

func (g *upnpGateway) external(ctx context.Context) (netip.Addr, error) {
	s, err := g.service.GetExternalIPAddressCtx(ctx)
	if err = g.result(err); err != nil {
		return netip.Addr{}, fail(UPnP, "external address", err)
	}
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil || a.Zone() != "" || !a.Unmap().Is4() {
		return netip.Addr{}, fail(UPnP, "external address", fmt.Errorf("%w: %s is not an IPv4 address", ErrBadAnswer, quote.Text(foreign(s))))
	}
	a, err = g.opt.external(a)
	return a, fail(UPnP, "external address", err)
}

// result gives the errors of the SOAP library their kind.
func (g *upnpGateway) result(err error) error {
	var fault *soap.SOAPFaultError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fault):
		detail := fault.Detail.UPnPError
		reason := detail.ErrorDescription
		if reason == "" {
			reason = fault.FaultString
		}
		return &RefusedError{Code: detail.Errorcode, Reason: foreign(reason)}
	case g.transport.tooLarge.Swap(false):
		return fmt.Errorf("%w: above %d bytes", ErrTooLarge, maxBody)
	// no answer, as opposed to a bad one
	case strings.Contains(err.Error(), "performing SOAP HTTP request"):
		return fmt.Errorf("%w: %s", ErrNoAnswer, foreign(err.Error()))
	}
	return bad(err)
}

// refusal is the code of a RefusedError, or 0.
func refusal(err error) int {
	var r *RefusedError
	if errors.As(err, &r) {
		return r.Code
	}
	return 0
}
