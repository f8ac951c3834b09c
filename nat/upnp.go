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
	upnpInvalidArgs   = 402 // some routers mean OnlyPermanentLeases
	upnpNoSuchEntry   = 714
	upnpConflict      = 718 // another host has the external port
	upnpOnlyPermanent = 725
)

// upnpOtherPorts is the number of random ports to try if the requested one is taken.
const upnpOtherPorts = 3

// wanService is the common part of WANIPConnection 1 and 2 and WANPPPConnection 1.
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
	local     netip.Addr // of the node, as the router sees it
	ext       uint16     // external port that is or may be mapped; 0: none
}

// findUPnP searches for a router and returns its first connection with a usable external address.
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

// wanServices returns the connections of a description whose control URLs are on the device.
// Otherwise the error names the wrong URLs, or says that there is no connection.
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

// open maps the port want, the port it already has, or another one.
func (g *upnpGateway) open(ctx context.Context, want uint16) (grant, error) {
	addr, err := g.external(ctx)
	if err != nil {
		return grant{}, err // without an address a mapping is useless
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
		if held && refusal(err) == upnpConflict { // a router that cannot renew
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

// add maps one external port. Some routers have no leases; the Mapper still renews the mapping, and
// close deletes it.
func (g *upnpGateway) add(ctx context.Context, port uint16) error {
	was := g.ext
	g.ext = port // set before the answer: see abandon
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
		return netip.Addr{}, fail(UPnP, "external address", fmt.Errorf("%w: %s is not an IPv4 address", ErrBadAnswer, quote.Text(printable(s))))
	}
	a, err = g.opt.external(a)
	return a, fail(UPnP, "external address", err)
}

// result converts errors of the SOAP library.
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
		return &RefusedError{Code: detail.Errorcode, Reason: printable(reason)}
	case g.transport.tooLarge.Swap(false):
		return fmt.Errorf("%w: above %d bytes", ErrTooLarge, maxBody)
	// no answer, as opposed to a bad one
	case strings.Contains(err.Error(), "performing SOAP HTTP request"):
		return fmt.Errorf("%w: %s", ErrNoAnswer, printable(err.Error()))
	}
	return bad(err)
}

// refusal returns the code of a RefusedError, or 0.
func refusal(err error) int {
	var r *RefusedError
	if errors.As(err, &r) {
		return r.Code
	}
	return 0
}
