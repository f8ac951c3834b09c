package nat

import "net/netip"

// global says whether anybody can reach the address: unicast, and in none of the ranges that IANA's
// special-purpose registries keep from the Internet.
func global(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || internal(a) {
		return false
	}
	if !a.Is4() {
		b := a.As16()
		return b[0]&0xe0 == 0x20 && // 2000::/3 is what has been given out
			// 2001::/23, 2001:db8::/32
			!(b[0] == 0x20 && b[1] == 0x01 && (b[2] < 0x02 || b[2] == 0x0d && b[3] == 0xb8)) &&
			!(b[0] == 0x20 && b[1] == 0x02) && // 6to4
			!(b[0] == 0x3f && b[1] == 0xff && b[2] < 0x10) // 3fff::/20
	}
	switch b := a.As4(); {
	case b[0] == 0, b[0] >= 240,
		b[0] == 192 && b[1] == 0 && (b[2] == 0 || b[2] == 2),
		b[0] == 192 && b[1] == 88 && b[2] == 99,
		b[0] == 198 && (b[1]&0xfe == 18 || b[1] == 51 && b[2] == 100),
		b[0] == 203 && b[1] == 0 && b[2] == 113:
		return false
	}
	return true
}

// internal says whether an address belongs to a network behind a gateway: private, shared
// (100.64.0.0/10) or link-local.
func internal(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsPrivate() || a.IsLinkLocalUnicast() {
		return true
	}
	return a.Is4() && a.As4()[0] == 100 && a.As4()[1]&0xc0 == 64
}
