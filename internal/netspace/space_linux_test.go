package netspace

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The main goroutine keeps the main thread, which would not end with a namespace.
func init() { runtime.LockOSThread() }

// space makes a namespace that ends with the test.
func space(t *testing.T) *Space {
	t.Helper()
	s, err := New()
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("probed for the right to make namespaces: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestSpace: functions and programs run in the namespace, which has interfaces of its own, and
// their errors come back.
func TestSpace(t *testing.T) {
	s := space(t)
	here, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Skipf("probed for /proc: %v", err)
	}
	wrong := errors.New("wrong")
	var there string
	var interfaces []net.Interface
	if err := s.Do(func() (err error) {
		if there, err = os.Readlink("/proc/thread-self/ns/net"); err == nil {
			interfaces, err = net.Interfaces()
		}
		return err
	}); err != nil || there == here || len(interfaces) != 1 {
		t.Errorf("%v: namespace %s, outside %s, interfaces %v", err, there, here, interfaces)
	}
	if err := s.Do(func() error { return wrong }); err != wrong {
		t.Errorf("error %v", err)
	}
	if out, err := s.Run("readlink", "/proc/self/ns/net"); err != nil || strings.TrimSpace(out) != there {
		t.Errorf("a program is in %q: %v", out, err)
	}
	if _, err := s.Run("sh", "-c", "echo no; exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3\nno") {
		t.Errorf("error of a program: %v", err)
	}
	if err := s.Do(func() error { runtime.Goexit(); return nil }); err != nil {
		t.Errorf("a function that ends the thread: %v", err)
	}
	if err := s.Do(func() error { return nil }); err != errEnded {
		t.Errorf("after the end of the thread: %v", err)
	}
	s.Close()
	s.Close()
}

func TestIP(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("probed for iproute2: %v", err)
	}
	s := space(t)
	if err := s.IP("link set lo up", "address add 10.1.2.3/32 dev lo"); err != nil {
		t.Fatal(err)
	}
	if err := s.Do(func() error {
		c, err := net.ListenPacket("udp4", "10.1.2.3:0")
		if err == nil {
			c.Close()
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := s.IP("link set nowhere up"); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("error %v", err)
	}
}
