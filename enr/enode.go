package enr

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5/internal/curve"
)

// Reasons to reject an enode URL. A public key that is not on the curve is ErrPublicKey.
var (
	ErrEnode     = errors.New("enr: not of the form enode://<128 hexadecimal digits>@host:port[?discport=port]")
	ErrEnodeHost = errors.New("enr: host of enode URL is neither an IP address nor a host name")
	ErrEnodePort = errors.New("enr: port of enode URL is not a number from 0 to 65535, or both ports are 0")
)

const enodePrefix = "enode://"

// Enode is an older notation of a node: a public key and one endpoint, unsigned.
//
//	enode://<x || y, 128 hexadecimal digits>@<host>:<TCP port>[?discport=<UDP port>]
//
// Without discport the UDP port equals the TCP port. A node that only runs discovery has TCP port 0
// and a discport. A node with discport=0 does not run discovery.
type Enode struct {
	PublicKey [33]byte   // compressed
	Host      string     // a name to resolve, or the text of Addr
	Addr      netip.Addr // never IPv4-mapped; the zero Addr if Host is a name
	TCP, UDP  uint16
}

// ParseEnode parses an enode URL. It checks that the public key is on the curve, and does not
// resolve names. It returns ErrEnode, ErrEnodeHost, ErrEnodePort or ErrPublicKey.
func ParseEnode(s string) (Enode, error) {
	rest, ok := strings.CutPrefix(s, enodePrefix)
	key, rest, ok2 := strings.Cut(rest, "@")
	if !ok || !ok2 {
		return Enode{}, ErrEnode
	}
	var e Enode
	var err error
	if e.PublicKey, err = parsePoint(key); err != nil {
		return Enode{}, err
	}
	endpoint, query, hasQuery := strings.Cut(rest, "?")
	colon := strings.LastIndexByte(endpoint, ':')
	if colon < 0 {
		return Enode{}, ErrEnode
	}
	if e.Host, e.Addr, err = parseHost(endpoint[:colon]); err != nil {
		return Enode{}, err
	}
	if e.TCP, err = parsePort(endpoint[colon+1:]); err != nil {
		return Enode{}, err
	}
	e.UDP = e.TCP
	if hasQuery {
		discport, ok := strings.CutPrefix(query, "discport=")
		if !ok {
			return Enode{}, ErrEnode
		}
		if e.UDP, err = parsePort(discport); err != nil {
			return Enode{}, err
		}
	}
	if e.TCP == 0 && e.UDP == 0 {
		return Enode{}, ErrEnodePort
	}
	return e, nil
}

// Enode returns the public key and one endpoint of the record, preferably IPv4. It returns false if
// the record lacks a public key, an IP address or a port for it. It does not verify the signature.
func (v View) Enode() (Enode, bool) {
	pub, ok := v.PublicKey()
	if !ok {
		return Enode{}, false
	}
	addr, ok := v.IP4()
	tcp, _ := v.TCP()
	udp, _ := v.UDP()
	if !ok || tcp == 0 && udp == 0 {
		addr, ok = v.IP6()
		tcp, _ = v.TCP6()
		udp, _ = v.UDP6()
	}
	if !ok || tcp == 0 && udp == 0 {
		return Enode{}, false
	}
	return Enode{PublicKey: pub, Host: addr.String(), Addr: addr, TCP: tcp, UDP: udp}, true
}

// ID returns the node ID. ErrPublicKey: the public key is not on the curve, which cannot happen
// with results of ParseEnode.
func (e Enode) ID() (ID, error) { return PublicKeyID(&e.PublicKey) }

// UDPEndpoint returns the endpoint for discovery packets, if the host is an IP address and the node
// runs discovery.
func (e Enode) UDPEndpoint() (netip.AddrPort, bool) {
	return netip.AddrPortFrom(e.Addr, e.UDP), e.Addr.IsValid() && e.UDP != 0
}

// AppendText appends the URL to dst. A valid Addr takes precedence over Host. ErrPublicKey: the
// public key is not on the curve. Other fields are not checked.
func (e Enode) AppendText(dst []byte) ([]byte, error) {
	xy, err := curve.Default().Decompress(&e.PublicKey)
	if err != nil {
		return dst, ErrPublicKey
	}
	dst = hex.AppendEncode(append(dst, enodePrefix...), xy[:])
	dst = append(dst, '@')
	switch {
	case e.Addr.Is6():
		dst = append(e.Addr.AppendTo(append(dst, '[')), ']')
	case e.Addr.Is4():
		dst = e.Addr.AppendTo(dst)
	default:
		dst = append(dst, e.Host...)
	}
	dst = strconv.AppendUint(append(dst, ':'), uint64(e.TCP), 10)
	if e.UDP != e.TCP {
		dst = strconv.AppendUint(append(dst, "?discport="...), uint64(e.UDP), 10)
	}
	return dst, nil
}

// MarshalText returns the URL and the errors of AppendText.
func (e Enode) MarshalText() ([]byte, error) { return e.AppendText(nil) }

// UnmarshalText parses the form of ParseEnode. On error e is unchanged.
func (e *Enode) UnmarshalText(text []byte) error {
	parsed, err := ParseEnode(string(text))
	if err == nil {
		*e = parsed
	}
	return err
}

// String returns the URL, or the error text if the public key is not on the curve.
func (e Enode) String() string {
	text, err := e.AppendText(nil)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// parsePoint parses x || y in hexadecimal and compresses it.
func parsePoint(s string) (pub [33]byte, err error) {
	var xy [64]byte
	if len(s) != 2*len(xy) {
		return pub, ErrEnode
	}
	if _, err := hex.Decode(xy[:], []byte(s)); err != nil {
		return pub, ErrEnode
	}
	pub[0] = 0x02 | xy[63]&1 // the low bit of y
	copy(pub[1:], xy[:32])
	// Only one y of this parity belongs to x. Any other makes a point off the curve.
	if on, err := curve.Default().Decompress(&pub); err != nil || on != xy {
		return [33]byte{}, ErrPublicKey
	}
	return pub, nil
}

// parseHost parses an IPv4 address, an IPv6 address in brackets, or a host name.
func parseHost(s string) (host string, addr netip.Addr, err error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", netip.Addr{}, ErrEnodeHost
		}
		addr = addr.Unmap()
		return addr.String(), addr, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Is4() {
		return s, addr, nil
	}
	if !isHostName(s) {
		return "", netip.Addr{}, ErrEnodeHost
	}
	return s, netip.Addr{}, nil
}

// isHostName reports whether s has the length and alphabet of a DNS name. A name whose last label
// is a number is a mistyped IPv4 address.
func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return false
	}
	number := false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		number = true
		for _, c := range []byte(label) {
			switch {
			case '0' <= c && c <= '9':
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_':
				number = false
			default:
				return false
			}
		}
	}
	return !number
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, ErrEnodePort
	}
	return uint16(n), nil
}
