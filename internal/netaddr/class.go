package netaddr

import "net/netip"

// Class is the scope in which an address is reachable. Higher classes have a smaller scope. A
// record has the highest class among its endpoints.
type Class uint8

// Classes of addresses.
const (
	// Global addresses are reachable from the public internet.
	Global Class = iota
	// Private addresses are valid inside one network: RFC 1918, carrier-grade NAT (100.64.0.0/10),
	// link-local, and IPv6 unique local (fc00::/7).
	Private
	// Loopback addresses are valid inside one machine.
	Loopback
	// Special addresses are never contacted, stored or relayed: unspecified, multicast, broadcast,
	// documentation, benchmarking, reserved, and IPv6 forms that embed an IPv4 address and would
	// carry it past the other rules (IPv4-compatible, NAT64, 6to4, Teredo).
	Special
)

// MinPort is the lowest port at which a node is contacted or relayed because others named it. Lower
// ports belong to services such as DNS and NTP, which answer datagrams that they do not understand.
const MinPort = 1024

// String returns the lower-case name of the class.
func (c Class) String() string {
	switch c {
	case Global:
		return "global"
	case Private:
		return "private"
	case Loopback:
		return "loopback"
	}
	return "special"
}

// ClassOf returns the class of an address. An IPv4-mapped address has the class of the IPv4
// address. The invalid address is Special.
func ClassOf(addr netip.Addr) Class {
	switch {
	case !addr.IsValid():
		return Special
	case addr.Is4() || addr.Is4In6():
		return class4(addr.As4())
	}
	return class6(addr.As16())
}

// class4 follows the IANA IPv4 special-purpose address registry.
func class4(a [4]byte) Class {
	switch a[0] {
	case 0:
		return Special // "this network"
	case 10:
		return Private
	case 100:
		if a[1]&0xc0 == 64 {
			return Private // 100.64.0.0/10, RFC 6598
		}
	case 127:
		return Loopback
	case 169:
		if a[1] == 254 {
			return Private
		}
	case 172:
		if a[1]&0xf0 == 16 {
			return Private
		}
	case 192:
		switch {
		case a[1] == 168:
			return Private
		case a[1] == 0 && (a[2] == 0 || a[2] == 2), // protocol assignments, documentation
			a[1] == 88 && a[2] == 99: // 6to4 relay anycast
			return Special
		}
	case 198:
		if a[1]&0xfe == 18 || a[1] == 51 && a[2] == 100 { // benchmarking, documentation
			return Special
		}
	case 203:
		if a[1] == 0 && a[2] == 113 {
			return Special // documentation
		}
	}
	if a[0] >= 224 {
		return Special // multicast, reserved, broadcast
	}
	return Global
}

// class6 follows the IANA IPv6 special-purpose address registry.
func class6(a [16]byte) Class {
	switch {
	case a[0] == 0xfc || a[0] == 0xfd, // unique local
		a[0] == 0xfe && a[1]&0xc0 == 0x80: // link-local
		return Private
	case a == [16]byte{15: 1}:
		return Loopback
	case a[0]&0xe0 != 0x20:
		// Only 2000::/3 is allocated for unicast. The rest is multicast, site-local, discard-only,
		// IPv4-compatible or NAT64.
		return Special
	// 2001::/23, 2001:db8::/32
	case a[0] == 0x20 && a[1] == 0x01 && (a[2] < 0x02 || a[2] == 0x0d && a[3] == 0xb8),
		a[0] == 0x20 && a[1] == 0x02,                // 6to4
		a[0] == 0x3f && a[1] == 0xff && a[2] < 0x10: // 3fff::/20, documentation
		return Special
	}
	return Global
}

// MayRelay reports whether a NODES response to a requester of class requester may contain a node of
// class node. Loopback nodes go to loopback requesters only, private nodes to private and loopback
// ones, special nodes to nobody. With the arguments read the other way, it reports whether to
// believe a peer of class requester that returns such a node.
func MayRelay(requester, node Class) bool {
	return node != Special && requester != Special && node <= requester
}
