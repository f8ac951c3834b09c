package geth

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p/enode"

	own "github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
)

// onLoopback starts a node with a new key on loopback, which is closed when the test ends. change,
// if not nil, changes the local node before.
func onLoopback(t *testing.T, cfg Config, change func(*enode.LocalNode)) (*UDPv5, *enode.LocalNode) {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	db, err := enode.OpenDB("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	ln := enode.NewLocalNode(db, key)
	if change != nil {
		change(ln)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	cfg.PrivateKey = key
	u, err := ListenV5(conn, ln, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u, ln
}

// When the node finds an external address, the LocalNode takes it as its fallback and both have the
// same record. An address that the program has set wins.
func TestDetectedAddress(t *testing.T) {
	found := net.IPv4(127, 0, 0, 9).To4()
	for name, c := range map[string]struct {
		static net.IP
		want   net.IP
	}{
		"without a static address": {nil, found},
		"with a static address":    {net.IPv4(127, 0, 0, 2).To4(), net.IPv4(127, 0, 0, 2).To4()},
	} {
		t.Run(name, func(t *testing.T) {
			u, _ := onLoopback(t, Config{}, func(ln *enode.LocalNode) {
				if c.static != nil {
					ln.SetStaticIP(c.static)
				}
			})
			before := u.Self().Seq()

			addr, _ := u.node.LocalRecord().UDPEndpoint4()
			err := u.node.UpdateRecord(func(b *own.Builder) {
				b.SetIP(netip.AddrFrom4([4]byte(found))).SetUDP(addr.Port())
			})
			if (err == nil) != (c.static == nil) {
				t.Errorf("the node's change of its record: %v", err)
			}
			// The node's own goroutine may push too.
			proctest.Eventually(t, "the node serves the record", func() bool {
				return u.records.push() == nil && u.node.LocalRecord().String() == u.Self().String()
			})
			if got := u.Self().IP().To4(); !got.Equal(c.want) {
				t.Errorf("the local node has %s, want %s", got, c.want)
			}
			if c.static == nil && u.Self().Seq() != before+1 {
				t.Errorf("sequence number %d, want %d", u.Self().Seq(), before+1)
			}
		})
	}
}

// Two changes that cancel each other leave the pairs unchanged, but the sequence number rises. The
// node follows.
func TestRecordWithoutChange(t *testing.T) {
	u, ln := onLoopback(t, Config{}, nil)
	ln.Set(mark())
	ln.Delete(mark())
	// The first call finds the difference, the second one ends it.
	proctest.Eventually(t, "the node serves the record", func() bool {
		return u.records.push() == nil && u.node.LocalRecord().String() == u.Self().String()
	})
}

// The node logs to the program's logger.
func TestLog(t *testing.T) {
	var lines proctest.Buffer
	onLoopback(t, Config{Log: log.NewLogger(slog.NewTextHandler(&lines, nil))}, nil)
	// Close would not wait for a goroutine that writes lines.
	proctest.Eventually(t, "a line in the log", func() bool { return strings.Contains(lines.String(), "msg=") })
}
