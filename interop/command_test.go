package interop

import (
	"net/netip"
	"os"
	"syscall"
	"testing"
)

// TestStopSignals: both signals end the process cleanly, even before anything has happened.
func TestStopSignals(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			startBootnode(t, newBootConfig(t, loopback4)).stop(t, sig)
		})
	}
}

// TestRecordEndpoint: --extip determines the endpoint in the record. go-ethereum reads that record,
// as every peer does.
func TestRecordEndpoint(t *testing.T) {
	tests := []struct {
		extip string
		ip    netip.Addr
		port  uint16 // 0: the port of the UDP address
	}{
		{"192.0.2.7", netip.MustParseAddr("192.0.2.7"), 0},
		{"192.0.2.7:4444", netip.MustParseAddr("192.0.2.7"), 4444},
		{"2001:db8::7", netip.MustParseAddr("2001:db8::7"), 0},
		{"[2001:db8::7]:4444", netip.MustParseAddr("2001:db8::7"), 4444},
	}
	for _, tt := range tests {
		t.Run(tt.extip, func(t *testing.T) {
			listen := loopback4
			if tt.ip.Is6() {
				listen = loopback6
			}
			requireAddr(t, listen)
			cfg := newBootConfig(t, listen)
			cfg.extip = tt.extip
			boot := startBootnode(t, cfg)
			want := netip.AddrPortFrom(tt.ip, tt.port)
			if tt.port == 0 {
				want = netip.AddrPortFrom(tt.ip, cfg.addr.Port())
			}
			if got, ok := boot.node.UDPEndpoint(); !ok || got != want {
				t.Errorf("record has UDP endpoint %v, want %v", got, want)
			}
		})
	}
}
