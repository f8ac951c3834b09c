package discv5

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// New and Validate refuse the same listen addresses, with the same words.
func TestListenAddrsChecked(t *testing.T) {
	list := func(s string) (addrs []netip.AddrPort) {
		for _, a := range strings.Fields(s) {
			addrs = append(addrs, netip.MustParseAddrPort(a))
		}
		return addrs
	}
	const port = ":29311"
	for _, tt := range []struct{ name, addrs, want string }{
		{"twice", "127.0.0.1" + port + " 127.0.0.1" + port, "listed twice"},
		{"mapped twin", "127.0.0.1" + port + " [::ffff:127.0.0.1]" + port, "listed twice"},
		{"all and one", "0.0.0.0" + port + " 127.0.0.1" + port, "includes 127.0.0.1"},
		{"one and all", "[::1]" + port + " [::]" + port, "includes [::1]"},
		{"too many", strings.Repeat("127.0.0.1:0 ", maxListen+1), "at most"},
		{"free ports", "127.0.0.1:0 127.0.0.1:0", ""},
		{"families apart", "127.0.0.1" + port + " [::]" + port, ""},
		{"ports apart", "0.0.0.0:29312 127.0.0.1:29313", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{ListenAddrs: list(tt.addrs), Sockets: 1}
			err := cfg.Validate()
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate: %v", err)
			}
			n, started := New(cfg)
			if started == nil {
				n.Close()
			}
			if started == nil || started.Error() != err.Error() {
				t.Errorf("New says %v, Validate says %v", started, err)
			}
		})
	}
}
