package discv5

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// ErrEndpoint: an endpoint that no record may name.
var ErrEndpoint = errors.New("discv5: endpoint that nobody can reach")

// SetEndpoint makes the record name a, in place of the endpoint that it names for that family. It
// is for what is known for certain, such as a port mapping that a router has made: what peers say
// about that family changes it no more, until ReleaseEndpoint. If the record names a already it
// stays as it is. An endpoint of the other family that fewer can reach leaves the record, unless it
// is known for certain too. On error it does too, and peers are heard again.
func (n *Node) SetEndpoint(a netip.AddrPort) error {
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if !a.Addr().IsValid() || a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Port() == 0 {
		return fmt.Errorf("%w: %s", ErrEndpoint, a)
	}
	family := netaddr.FamilyOf(a.Addr())
	n.engine.PinAddress(family.Version(), true)
	v4, v6 := endpoints(n.LocalRecord())
	if [2]netip.AddrPort{v4, v6}[family] == a {
		return nil
	}
	err := n.UpdateRecord(func(b *enr.Builder) { n.engine.PutEndpoint(b, a) })
	if err != nil {
		n.engine.PinAddress(family.Version(), false)
	}
	return err
}

// ReleaseEndpoint ends what SetEndpoint did for a family, 4 or 6: the record stays as it is until
// peers agree on another endpoint, if Config.DetectAddress lets them.
func (n *Node) ReleaseEndpoint(family int) { n.engine.PinAddress(family, false) }
