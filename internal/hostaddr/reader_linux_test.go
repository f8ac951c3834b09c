package hostaddr

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// apart runs f on a thread in a new network namespace, which ends with the thread.
func apart(t *testing.T, f func(ip func(lines ...string) error) error) {
	t.Helper()
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			ended <- err
			return
		}
		ended <- f(func(lines ...string) error {
			cmd := exec.Command("ip", "-batch", "-")
			cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
			return cmd.Run()
		})
	}()
	switch err := <-ended; {
	case errors.Is(err, syscall.EPERM), errors.Is(err, exec.ErrNotFound):
		t.Skipf("probed for network namespaces and the program ip: %v", err)
	case err != nil:
		t.Fatal(err)
	}
}

// TestReaderInNamespace: a Reader belongs to the namespace in which it was opened, and reports many
// changes there together.
func TestReaderInNamespace(t *testing.T) {
	var r *Reader
	apart(t, func(ip func(...string) error) (err error) {
		if err := ip("link set lo up"); err != nil {
			return err
		}
		if r, err = Open(); err != nil {
			return err
		}
		var lines []string
		for _, a := range []string{"10.1.1.1/24", "10.1.1.2/24", "10.1.2.1/24"} {
			lines = append(lines, "address add "+a+" dev lo")
		}
		return ip(append(lines, "address add fd00::1/64 dev lo nodad preferred_lft 0")...)
	})
	defer r.Close()
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
	if err := r.Wait(time.Now().Add(5 * time.Second)); err != nil {
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
