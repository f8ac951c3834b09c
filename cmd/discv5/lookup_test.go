package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, addr := range families {
		nodes := swarm(t, addr, 5)
		boot := nodes[0].LocalRecord().String()
		e, _ := nodes[0].LocalRecord().Enode()
		for _, target := range []string{nodes[3].ID().String(), nodes[3].LocalRecord().String()} {
			list := objects(t, "lookup", target, "--bootnodes", boot, "-W", patient)
			if len(list) < 2 || list[0]["nodeId"] != nodes[3].ID().String() || list[0]["distance"] != 0.0 {
				t.Errorf("%d nodes, first %v", len(list), list[0])
			}
		}
		for _, args := range [][]string{{"lookup", "--bootnodes", e.String()}, {"lookup", "random", "--bootnodes", boot}} {
			for line := range strings.Lines(must(t, append(args, "-W", patient)...)) {
				if _, err := enr.ParseText(strings.TrimSpace(line)); err != nil {
					t.Errorf("%q: %v", line, err)
				}
			}
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	nodes := swarm(t, "127.0.0.1:0", 4)
	boot, n := nodes[0].LocalRecord().String(), nodes[2]
	want := n.LocalRecord().String()
	e, _ := n.LocalRecord().Enode()
	for _, args := range [][]string{{want}, {e.String()}, {n.ID().String(), "--bootnodes", boot}, {"0x" + n.ID().String(), "--bootnodes", boot}} {
		if out := must(t, append([]string{"resolve", "-W", patient}, args...)...); strings.TrimSpace(out) != want {
			t.Errorf("resolve %v: %s", args, out)
		}
	}

	// The given record is old: the node has a new one, first at the same address, then at another.
	old := moved(t, n, n.Addrs()[0])
	if o := objects(t, "resolve", "-W", patient, old.String())[0]; o["record"] != want {
		t.Errorf("%v", o)
	}
	gone, _ := silence(t).UDPEndpoint4()
	if out := must(t, "resolve", "-W", hasty, moved(t, n, gone).String(), "--bootnodes", boot); strings.TrimSpace(out) != want {
		t.Errorf("record of a node that moved: %s", out)
	}

	// Other nodes still know a node that has just stopped.
	n.Close()
	if out := must(t, "resolve", "-W", hasty, n.ID().String(), "--bootnodes", boot); strings.TrimSpace(out) != want {
		t.Errorf("record of a node that has gone: %s", out)
	}
	unknown := strings.Repeat("11", 32)
	if r := try(t, "resolve", "-W", hasty, unknown, "--bootnodes", boot); r.code != cli.ExitFailed || !strings.Contains(r.err, "no record of 1111") {
		t.Errorf("%+v", r)
	}
}

// moved returns a record with a lower sequence number and another address.
func moved(t *testing.T, n *discv5.Node, addr netip.AddrPort) *enr.Record {
	t.Helper()
	key, ok := keys.Load(n.ID())
	if !ok {
		t.Fatal("no key")
	}
	r, err := enr.NewBuilder().SetIP(addr.Addr()).SetUDP(addr.Port()).Sign(key.(*enr.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
