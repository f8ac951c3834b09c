package load

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/fastdisc/discv5/enr"
)

// Errors of targets.
var (
	// ErrNoAddress: the target's record or URL has no usable UDP address.
	ErrNoAddress = errors.New("target has no UDP address")
	// ErrHostName: the target's URL has a host name, which the caller has to look up; see
	// EnodeTarget.
	ErrHostName = errors.New("target has a host name for an address")
	// ErrPublic: the target is neither on this machine nor in a private network, and Config.Public
	// is not set.
	ErrPublic = errors.New("target is not local")
)

// Target is the node under load.
type Target struct {
	ID        enr.ID
	PublicKey [33]byte // compressed
	Addr      netip.AddrPort
}

// ParseTarget reads a record (enr:...) or an enode URL. If a record names endpoints of both
// families, the IPv6 one counts if ipv6 is set, else the IPv4 one. Errors are those of package
// enr, ErrNoAddress, and ErrHostName.
func ParseTarget(text string, ipv6 bool) (Target, error) {
	if strings.HasPrefix(text, "enode://") {
		e, err := enr.ParseEnode(text)
		if err != nil {
			return Target{}, err
		}
		if !e.Addr.IsValid() {
			return Target{}, ErrHostName
		}
		return EnodeTarget(e, e.Addr)
	}
	r, err := enr.ParseText(text)
	if err != nil {
		return Target{}, err
	}
	return RecordTarget(r, ipv6)
}

// RecordTarget is the node of a record; see ParseTarget. The error is ErrNoAddress.
func RecordTarget(r *enr.Record, ipv6 bool) (Target, error) {
	t := Target{ID: r.ID()}
	t.PublicKey, _ = r.PublicKey() // a Record has been verified
	v4, has4 := r.UDPEndpoint4()
	v6, has6 := r.UDPEndpoint6()
	switch {
	case has6 && (ipv6 || !has4):
		t.Addr = v6
	case has4:
		t.Addr = v4
	default:
		return t, ErrNoAddress
	}
	return t, nil
}

// EnodeTarget is the node of an enode URL, at the given address: that of the URL, or what its host
// name stands for. The error is ErrNoAddress, for a URL without UDP port.
func EnodeTarget(e enr.Enode, addr netip.Addr) (Target, error) {
	id, err := e.ID()
	if err != nil {
		return Target{}, err
	}
	t := Target{ID: id, PublicKey: e.PublicKey, Addr: netip.AddrPortFrom(addr.Unmap(), e.UDP)}
	if e.UDP == 0 || !addr.IsValid() {
		return t, ErrNoAddress
	}
	return t, nil
}

// Local reports whether an address belongs to this machine or to a network that is nobody else's:
// loopback, the private networks of RFC 1918 and RFC 4193, and link-local addresses.
func Local(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
}

// check says why the target cannot be loaded.
func (t *Target) check(public bool) error {
	a := t.Addr.Addr().Unmap()
	switch {
	case !t.Addr.IsValid() || t.Addr.Port() == 0 || a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%w: %v", ErrNoAddress, t.Addr)
	case !public && !Local(a):
		return fmt.Errorf("%w: %v", ErrPublic, a)
	}
	return nil
}

// LoopbackSources returns n different IPv4 addresses of this machine, in rising order from
// 127.1.0.1, 254 in each /24. The whole of 127.0.0.0/8 belongs to a Linux machine; others have
// 127.0.0.1 alone unless told otherwise.
func LoopbackSources(n int) []netip.Addr {
	list := make([]netip.Addr, 0, n)
	for i := range n {
		net, host := i/254, i%254
		list = append(list, netip.AddrFrom4([4]byte{127, byte(1 + net/256%254), byte(net), byte(1 + host)}))
	}
	return list
}
