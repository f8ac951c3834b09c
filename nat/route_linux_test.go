package nat

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestReadRoutes(t *testing.T) {
	hex := func(s string) string {
		b := netip.MustParseAddr(s).As4()
		return fmt.Sprintf("%08X", binary.NativeEndian.Uint32(b[:]))
	}
	line := func(dst, gw, flags, mask string) string {
		return "eth0\t" + hex(dst) + "\t" + hex(gw) + "\t" + flags + "\t0\t0\t100\t" + hex(mask) + "\t0\t0\t0\n"
	}
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	for _, c := range []struct {
		name, table string
		want        []netip.Addr
	}{
		{"empty", "", nil},
		{"default", head + line("0.0.0.0", "192.168.1.1", "0003", "0.0.0.0") + line("192.168.1.0", "0.0.0.0", "0001", "255.255.255.0"),
			[]netip.Addr{netip.MustParseAddr("192.168.1.1")}},
		{"two, one of them twice", line("0.0.0.0", "10.0.0.1", "0003", "0.0.0.0") + line("0.0.0.0", "10.0.0.1", "0003", "0.0.0.0") +
			line("0.0.0.0", "172.16.0.1", "0003", "0.0.0.0"), []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("172.16.0.1")}},
		{"public gateway", line("0.0.0.0", "44.0.0.1", "0003", "0.0.0.0"), nil},
		{"down", line("0.0.0.0", "10.0.0.1", "0002", "0.0.0.0"), nil},
		{"no gateway", line("0.0.0.0", "0.0.0.0", "0001", "0.0.0.0"), nil},
		{"half of the Internet", line("0.0.0.0", "10.0.0.1", "0003", "128.0.0.0"), nil},
		{"garbage", "a b c d e f g h\n\n0 00000000 zz 0003 0 0 0 00000000\n0 00000000 0 zz 0 0 0 00000000\n", nil},
	} {
		if got, err := readRoutes(strings.NewReader(c.table)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	if _, err := readRoutes(strings.NewReader(strings.Repeat("x", 1<<20))); err == nil {
		t.Error("no error for an endless line")
	}
}
