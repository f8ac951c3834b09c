package hostaddr

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/netspace"
)

// TestReaderInNamespace: a Reader belongs to the namespace in which it was opened, and reports many
// changes there together.
func TestReaderInNamespace(t *testing.T) {
	space, err := netspace.New()
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("probed for network namespaces: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer space.Close()
	err = space.IP("link set lo up")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skipf("probed for the program ip: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var r *Reader
	if err := space.Do(func() (err error) { r, err = Open(); return err }); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := space.IP(
		"address add 10.1.1.1/24 dev lo", "address add 10.1.1.2/24 dev lo", "address add 10.1.2.1/24 dev lo",
		"address add fd00::1/64 dev lo nodad preferred_lft 0",
	); err != nil {
		t.Fatal(err)
	}
	space.Close()
	list, err := r.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, a := range list {
		found[a.Prefix.String()] = a.Deprecated
	}
	if len(found) != 6 || !found["fd00::1/64"] || found["10.1.1.2/24"] {
		t.Errorf("addresses, true if deprecated: %v", found)
	}
	if a := Choose(r, netaddr.IPv4); a.String() != "10.1.1.1" {
		t.Errorf("chosen %v", a)
	}
	if err := r.Wait(time.Now().Add(time.Minute)); err != nil {
		t.Errorf("changes are not reported: %v", err)
	}
	// IPv6 needs a moment. There are more than ten messages in total.
	for n := 0; ; n++ {
		if err := r.Wait(time.Now().Add(200 * time.Millisecond)); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil || n == 5 {
			t.Fatalf("changes are reported %d times more: %v", n, err)
		}
	}
}
