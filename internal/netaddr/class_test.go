package netaddr

import (
	"net/netip"
	"testing"
)

func TestClass(t *testing.T) {
	tests := []struct {
		class Class
		addrs []string
	}{
		{Global, []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "169.253.1.1",
			"192.167.1.1", "192.169.0.1", "192.0.1.1", "192.88.98.1", "198.17.0.1", "198.20.0.1", "203.0.112.1", "223.255.255.255",
			"2606:4700::1111", "2001:200::1", "2001:db7::1", "2a00::1", "3fff:1000::1", "::ffff:8.8.8.8"}},
		{Private, []string{"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255",
			"169.254.1.1", "fc00::1", "fdff::1", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:10.0.0.1"}},
		{Loopback, []string{"127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"}},
		{Special, []string{"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.0.8",
			"192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "198.19.255.255", "192.88.99.1", "::", "::8.8.8.8", "::2",
			"ff02::1", "2001:db8::1", "3fff::1", "100::1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "2001:1ff::1",
			"fec0::1", "4000::1", "5f00::1"}},
	}
	for _, tt := range tests {
		for _, a := range tt.addrs {
			if got := ClassOf(netip.MustParseAddr(a)); got != tt.class {
				t.Errorf("Class(%s) = %v, want %v", a, got, tt.class)
			}
		}
	}
	if ClassOf(netip.Addr{}) != Special {
		t.Error("the invalid address must be special")
	}
}

func TestMayRelay(t *testing.T) {
	want := map[Class][]Class{ // by requester: the classes it may be told
		Global:   {Global},
		Private:  {Global, Private},
		Loopback: {Global, Private, Loopback},
		Special:  {},
	}
	for requester, allowed := range want {
		for node := Global; node <= Special; node++ {
			ok := false
			for _, c := range allowed {
				ok = ok || c == node
			}
			if MayRelay(requester, node) != ok {
				t.Errorf("MayRelay(%v, %v) = %v", requester, node, !ok)
			}
		}
	}
}

func FuzzClass(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add(netip.MustParseAddr("::ffff:10.0.0.1").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		c := ClassOf(addr)
		if c != ClassOf(addr.Unmap()) {
			t.Fatal("mapped form differs")
		}
		u := addr.Unmap()
		if u.IsLoopback() != (c == Loopback) || c == Global && (!u.IsGlobalUnicast() || u.IsPrivate()) ||
			(u.IsPrivate() || u.IsLinkLocalUnicast()) && c != Private || (u.IsMulticast() || u.IsUnspecified()) && c != Special {
			t.Fatalf("Class(%v) = %v", addr, c)
		}
	})
}
