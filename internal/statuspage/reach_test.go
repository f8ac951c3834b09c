package statuspage

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/fastdisc/discv5"
)

// TestLocalReach: the page says who can reach an address that is not global.
func TestLocalReach(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:9000": "Only this machine can reach this loopback address", "[::1]:9000": "Only this machine can",
		"10.0.0.1:9000": "Only nodes of this network can reach this private address",
	} {
		r := reachOf(discv5.AddressState{Endpoint: netip.MustParseAddrPort(addr)})
		if r.State != stateLocal || !strings.HasPrefix(r.Reason, want) {
			t.Errorf("%s: %+v, want %s", addr, r, want)
		}
	}
}

// TestEmptyLists: the lists of /status are never null, not even those of a page that has counted
// nothing.
func TestEmptyLists(t *testing.T) {
	p, _, c := newPage(t)
	b, err := json.Marshal(p.status(c.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); !strings.Contains(s, `"limited":{"sources":[],`) || strings.Contains(s, ":null") {
		t.Errorf("/status: %s", s)
	}
}
