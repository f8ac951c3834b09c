package nat

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5/internal/quote"
)

// Method is a way to learn the external endpoint.
type Method uint8

// Methods; see the package comment.
const (
	None Method = iota
	Any
	UPnP
	PMP
	ExtIP
	STUN
)

// String returns the name of the method in the form of Parse.
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return "method " + strconv.Itoa(int(m))
}

var methodNames = [...]string{None: "none", Any: "any", UPnP: "upnp", PMP: "pmp", ExtIP: "extip", STUN: "stun"}

// DefaultSTUNPort is the default port of a STUN server. RFC 8489, Section 8.1.
const DefaultSTUNPort = 3478

// Config selects a method. The zero value does nothing.
type Config struct {
	Method Method
	// Addr is the external address if Method is ExtIP, and the gateway if Method is PMP. For PMP,
	// the zero Addr means the system's default gateway.
	Addr netip.Addr
	// Server is host and port of the server if Method is STUN. There is no default, because only
	// servers that the operator has named should learn of the node.
	Server string
}

// Parse parses the value of a --nat flag:
//
//	none | any | upnp | pmp[:IP] | extip:IP | stun:host[:port]
//
// Names are not case-sensitive. "" and "off" mean none, "auto" and "on" mean any, "natpmp" and
// "nat-pmp" mean pmp, "ip" means extip. IPv6 addresses may be in brackets; for stun they must be.
// An IPv4-mapped address becomes IPv4. Every error wraps ErrSpec and names the fault.
func Parse(spec string) (Config, error) {
	name, arg, hasArg := strings.Cut(strings.TrimSpace(spec), ":")
	var c Config
	var err error
	switch strings.ToLower(name) {
	case "", "none", "off":
		c.Method = None
	case "any", "auto", "on":
		c.Method = Any
	case "upnp":
		c.Method = UPnP
	case "pmp", "natpmp", "nat-pmp":
		c.Method = PMP
		if hasArg {
			c.Addr, err = parseAddr(arg)
			if err == nil && !c.Addr.Is4() {
				err = fmt.Errorf("gateway %s: NAT-PMP supports IPv4 only", c.Addr)
			}
		}
	case "extip", "ip":
		c.Method = ExtIP
		if !hasArg {
			err = fmt.Errorf("%s needs an address, as in extip:198.51.100.7", name)
		} else {
			c.Addr, err = parseAddr(arg)
		}
	case "stun":
		c.Method = STUN
		if !hasArg {
			err = fmt.Errorf("%s needs a server, as in stun:stun.example.org:3478; there is no default", name)
		} else {
			c.Server, err = parseServer(arg)
		}
	default:
		err = fmt.Errorf("unknown method %s; there are none, any, upnp, pmp[:IP], extip:IP and stun:host[:port]", quote.Text(name))
	}
	if err == nil && hasArg && c.Method <= UPnP {
		err = fmt.Errorf("%s takes no argument, and %s was given", quote.Text(name), quote.Text(arg))
	}
	if err != nil {
		return Config{}, fmt.Errorf("%w %s: %w", ErrSpec, quote.Text(spec), err)
	}
	return c, nil
}

// String returns the form of Parse.
func (c Config) String() string {
	switch {
	case (c.Method == PMP || c.Method == ExtIP) && c.Addr.IsValid():
		return c.Method.String() + ":" + c.Addr.String()
	case c.Method == STUN && c.Server != "":
		return c.Method.String() + ":" + c.Server
	}
	return c.Method.String()
}

// check validates a Config that did not come from Parse.
func (c Config) check() error {
	switch {
	case int(c.Method) >= len(methodNames):
		return fmt.Errorf("%w: %s", ErrSpec, c.Method)
	case c.Method == ExtIP || c.Method == PMP && c.Addr.IsValid(), c.Method == STUN:
		_, err := Parse(c.String())
		return err
	}
	return nil
}

func parseAddr(s string) (netip.Addr, error) {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(bare)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%s is not an IP address", quote.Text(s))
	}
	a = a.Unmap()
	switch {
	case a.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%s: an address with a zone means nothing elsewhere", quote.Text(s))
	case a.IsUnspecified():
		return netip.Addr{}, fmt.Errorf("%s is the unspecified address", quote.Text(s))
	case a.IsMulticast():
		return netip.Addr{}, fmt.Errorf("%s is a multicast address", quote.Text(s))
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.Addr{}, fmt.Errorf("%s is the broadcast address", quote.Text(s))
	}
	return a, nil
}

// parseServer returns s as host:port.
func parseServer(s string) (string, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Is6() {
		return "", fmt.Errorf("write [%s]:port: without brackets it is unclear where an IPv6 address ends and its port begins", s)
	}
	host, port := s, strconv.Itoa(DefaultSTUNPort)
	switch {
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"):
		host = s[1 : len(s)-1]
	case strings.Contains(s, ":"):
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", fmt.Errorf("%s is not host:port", quote.Text(s))
		}
	}
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._:", r))
	}) {
		return "", fmt.Errorf("%s is not a host name or address", quote.Text(host))
	}
	if strings.Contains(host, ":") {
		if _, err := netip.ParseAddr(host); err != nil {
			return "", fmt.Errorf("%s is not an IPv6 address", quote.Text(host))
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("port %s is not a number from 1 to 65535", quote.Text(port))
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}
