package bootnode

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// TestStandbyReload: systemd sees a standby as ready, with the name of the active bootnode in its
// status. The settings that it reads on SIGHUP are in force when it takes over, and the service
// manager sees no second start.
func TestStandbyReload(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 seconds: make fleet runs it; TestStandbyServiceManager of cmd/bootnode has a fleet that is away")
	}
	t.Parallel()
	c := natstest.Start(t, 1, "")
	file := keyFile(t, newKey(t))
	bans := filepath.Join(t.TempDir(), "bans")
	if err := os.WriteFile(bans, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := newMember(t, "a", c.URLs(), "--fleet-identity", "main", "--nodekey", file).start(t)
	record := a.p.Record(t)
	socket := proctest.NewNotifySocket(t)
	b := newMember(t, "b", c.URLs(), "--fleet-identity", "main", "--nodekey", file, "--ban-file", bans)
	b.environ = []string{"NOTIFY_SOCKET=" + socket.Path, "WATCHDOG_USEC=3000000"}
	b.start(t)
	at, _ := socket.Wait(t, 0, "READY=1")
	at, status := socket.Wait(t, at, "which a holds")
	if !strings.HasPrefix(status, "WATCHDOG=1\nSTATUS=standing by for the identity main") {
		t.Errorf("the standby notifies %q", status)
	}
	node := patientNode(t)
	if err := os.WriteFile(bans, []byte(node.ID().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.p.Signal(t, syscall.SIGHUP)
	at, _ = socket.Wait(t, at, "RELOADING=1")
	at, _ = socket.Wait(t, at, "READY=1\nSTATUS=settings were reloaded")
	standing, _ := socket.Wait(t, at, "standing by")

	a.p.End(t, syscall.SIGTERM)
	taken := b.p.Record(t)
	if taken.ID() != record.ID() || taken.Seq() < record.Seq() {
		t.Errorf("the standby took over %v after %v", taken, record)
	}
	at, _ = socket.Wait(t, standing, "nodes, ")
	if _, err := node.Ping(t.Context(), discv5.ContactOf(taken)); err == nil {
		t.Error("a ban that the standby has read is not in force")
	}
	if _, err := patientNode(t).Ping(t.Context(), discv5.ContactOf(taken)); err != nil {
		t.Errorf("another node gets no answer: %v", err)
	}
	for _, m := range socket.Messages()[standing:] {
		if strings.Contains(m, "READY=1") || strings.Contains(m, "STOPPING=1") {
			t.Errorf("the takeover looks like a start: %q", m)
		}
	}
	b.p.End(t, syscall.SIGTERM)
	socket.Wait(t, at, "STOPPING=1")
}
