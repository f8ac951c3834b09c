package nat

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Bounds of the search. UPnP Device Architecture 1.1, Section 1.3.
const (
	ssdpMX        = 2 // seconds within which devices spread their answers
	ssdpWait      = 3 * time.Second
	ssdpRetry     = 700 * time.Millisecond // pause before the request is retried
	ssdpGrace     = 250 * time.Millisecond // for more answers after the first
	ssdpMaxSize   = 2048                   // bytes of an answer
	ssdpMaxLocals = 8                      // interfaces that are searched
	ssdpMaxReads  = 64                     // answers read per interface
	maxGateways   = 8                      // answers that are followed
)

const igdPrefix = "urn:schemas-upnp-org:device:InternetGatewayDevice:"

// device is a search answer: a description to fetch from addr, which is reachable from the address
// local.
type device struct {
	location    *url.URL
	addr, local netip.Addr
}

// searchIGD searches for internet gateways at target. If target is not multicast, only answers from
// target count.
func searchIGD(ctx context.Context, target netip.AddrPort) ([]device, error) {
	locals, err := searchFrom(target)
	if err != nil {
		return nil, err
	}
	if len(locals) == 0 {
		return nil, fmt.Errorf("%w: no interface has a private IPv4 address", ErrNoAnswer)
	}
	ctx, cancel := context.WithTimeout(ctx, ssdpWait)
	defer cancel()
	answers := make(chan device)
	ends := make(chan error, len(locals))
	for _, local := range locals {
		go func() { ends <- searchOn(ctx, local, target, answers) }()
	}
	var list []device
	var firstErr error
	var grace <-chan time.Time
	for left := len(locals); left > 0; {
		select {
		case d := <-answers:
			if grace == nil {
				grace = time.After(ssdpGrace)
			}
			if len(list) < maxGateways && !slices.ContainsFunc(list, func(o device) bool { return o.location.String() == d.location.String() }) {
				list = append(list, d)
			}
		case <-grace:
			cancel()
		case err := <-ends:
			left--
			if firstErr == nil {
				firstErr = err
			}
		}
	}
	switch {
	case len(list) > 0:
		return list, nil
	case firstErr != nil:
		return nil, firstErr
	}
	return nil, fmt.Errorf("%w to the search for a gateway", ErrNoAnswer)
}

// searchOn sends from one local address and passes on good answers until ctx ends. If all answers
// were bad, it returns the first error.
func searchOn(ctx context.Context, local netip.Addr, target netip.AddrPort, answers chan<- device) error {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	send := func() (err error) {
		for _, version := range []string{"1", "2"} {
			_, err = conn.WriteToUDPAddrPort(searchRequest(target, igdPrefix+version), target)
		}
		return err
	}
	if err := send(); err != nil {
		return fmt.Errorf("%w: search from %s: %w", ErrNoAnswer, local, err)
	}
	retry := time.AfterFunc(ssdpRetry, func() { _ = send() })
	defer retry.Stop()
	var wrong error
	good := false
	buf := make([]byte, ssdpMaxSize)
	for range ssdpMaxReads {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			continue // such as ICMP port unreachable; the number of rounds is bounded
		}
		d, err := readAnswer(buf[:n], from.Addr().Unmap(), target)
		if err != nil {
			if wrong == nil {
				wrong = err
			}
			continue
		}
		d.local = local
		good = true
		select {
		case answers <- d:
		case <-ctx.Done():
		}
	}
	if good {
		return nil
	}
	return wrong
}

func searchRequest(target netip.AddrPort, what string) []byte {
	return fmt.Appendf(nil, "M-SEARCH * HTTP/1.1\r\nHOST: %s\r\nMAN: \"ssdp:discover\"\r\nMX: %d\r\nST: %s\r\n\r\n", target, ssdpMX, what)
}

// readAnswer checks a datagram from the given address.
func readAnswer(b []byte, from netip.Addr, target netip.AddrPort) (device, error) {
	if target.Addr().IsMulticast() && netaddr.ClassOf(from) != netaddr.Private || !target.Addr().IsMulticast() && from != target.Addr() {
		return device{}, fmt.Errorf("%w: search answered by %s", ErrWrongGateway, from)
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		return device{}, bad(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("St"), igdPrefix) {
		return device{}, fmt.Errorf("%w: no gateway in the answer to the search", ErrBadAnswer)
	}
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return device{}, bad(err)
	}
	if err := onHost(u, from); err != nil {
		return device{}, err
	}
	return device{location: u, addr: from}, nil
}

// onHost checks that a URL is plain HTTP on the host with this address.
func onHost(u *url.URL, addr netip.Addr) error {
	if u.Scheme != "http" || u.Host == "" || u.User != nil || u.Opaque != "" {
		return fmt.Errorf("%w: URL %s", ErrBadAnswer, printable(u.Redacted()))
	}
	host, err := netip.ParseAddr(u.Hostname())
	if err != nil || host.Unmap() != addr {
		return fmt.Errorf("%w: %s names %s", ErrWrongGateway, addr, printable(u.Host))
	}
	return nil
}

// searchFrom returns the local addresses to search from.
func searchFrom(target netip.AddrPort) ([]netip.Addr, error) {
	if !target.Addr().IsMulticast() {
		a, err := localFor(target)
		return []netip.Addr{a}, err
	}
	prefixes, err := localPrefixes()
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, p := range prefixes {
		if len(list) < ssdpMaxLocals {
			list = append(list, p.Addr())
		}
	}
	return list, nil
}

// localPrefixes returns the private IPv4 addresses, with their networks, of the interfaces that are
// up and support multicast.
func localPrefixes() ([]netip.Prefix, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var list []netip.Prefix
	var errs []error
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagMulticast == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			errs = append(errs, fmt.Errorf("addresses of %s: %w", i.Name, err))
			continue
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Addr().Is4() && netaddr.ClassOf(p.Addr()) == netaddr.Private {
				list = append(list, p)
			}
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	return nil, errors.Join(errs...)
}

// localFor returns the local address from which the system sends to target. It sends nothing.
func localFor(target netip.AddrPort) (netip.Addr, error) {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(target))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
