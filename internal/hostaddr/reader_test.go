package hostaddr

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// TestReader: a Reader finds the same addresses as package net, and the source address of a socket.
func TestReader(t *testing.T) {
	r, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[netip.Addr]Addr)
	for _, a := range list {
		found[a.Addr()] = a
	}
	want, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range want {
		p := netip.MustParsePrefix(a.String())
		if f, ok := found[p.Addr()]; !ok || f.Bits() != p.Bits() {
			t.Errorf("%v is found as %+v", p, f)
		}
	}
	if len(list) < len(want) {
		t.Errorf("%d addresses, want %d", len(list), len(want))
	}
	for _, to := range []string{"127.0.0.1", "127.0.0.5", "::1", global4.String(), global6.String(), "0.0.0.1"} {
		source := r.Source(netip.MustParseAddr(to))
		c, err := net.Dial("udp", net.JoinHostPort(to, "9"))
		if err != nil {
			if source.IsValid() {
				t.Errorf("source to %s: %v, but %v", to, source, err)
			}
			continue
		}
		if got := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr(); got != source {
			t.Errorf("source to %s: %v, want %v", to, source, got)
		}
		c.Close()
	}
	for _, f := range []netaddr.Family{netaddr.IPv4, netaddr.IPv6} {
		t.Logf("%v: %v", f, Choose(r, f))
	}
	r.Close()
	r.Close()
	if _, err := r.Addrs(); err == nil && r.Source(global4).IsValid() {
		t.Error("a closed Reader answers")
	}
}

func TestReaderWait(t *testing.T) {
	r, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(time.Now().Add(10 * time.Millisecond)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nothing happens: %v", err)
	}
	ended := make(chan error)
	go func() {
		var err error
		for err == nil { // this machine's addresses may change during the test
			err = r.Wait(time.Time{})
		}
		ended <- err
	}()
	time.Sleep(10 * time.Millisecond)
	r.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	for _, deadline := range []time.Time{{}, time.Now().Add(time.Hour)} {
		if err := r.Wait(deadline); !errors.Is(err, os.ErrClosed) {
			t.Errorf("a call after Close: %v", err)
		}
	}
}
