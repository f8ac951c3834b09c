package fastpath

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
)

func TestConfigErrors(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no address":        {},
		"negative sockets":  {Addr: loop4, Sockets: -1},
		"too many sockets":  {Addr: loop4, Sockets: MaxSockets + 1},
		"negative batch":    {Addr: loop4, Batch: -1},
		"batch too large":   {Addr: loop4, Batch: MaxBatch + 1},
		"size too large":    {Addr: loop4, MaxSize: MaxDatagram + 1},
		"sizes reversed":    {Addr: loop4, MaxSize: 10, MinSize: 11},
		"negative size":     {Addr: loop4, MinSize: -1},
		"negative buffer":   {Addr: loop4, RecvBuffer: -1},
		"negative buffer 2": {Addr: loop4, SendBuffer: -1},
	} {
		if g, err := Listen(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
			if g != nil {
				g.Close()
			}
		}
	}
}

func TestListenErrors(t *testing.T) {
	// 192.0.2.0/24 is for documentation: no machine has such an address.
	_, err := Listen(Config{Addr: netip.MustParseAddrPort("192.0.2.1:0")})
	var op *net.OpError
	if !errors.As(err, &op) || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("foreign address: %v", err)
	}
}

// A second group on an address in use must fail, not share it unnoticed, even
// when both ask for several sockets.
func TestAddressInUse(t *testing.T) {
	g := listen(t, Config{Addr: loop4, Sockets: 2})
	for _, n := range []int{1, 2} {
		_, err := Listen(Config{Addr: g.Addr(), Sockets: n})
		var e syscall.Errno
		if !errors.As(err, &e) {
			t.Errorf("%d sockets on an address in use: %v", n, err)
		}
	}
}

func TestInfo(t *testing.T) {
	g := listen(t, Config{
		Addr: loop4, Sockets: 2, MaxSize: testMax, MinSize: testMin,
		RecvBuffer: 64 << 10, SendBuffer: 32 << 10,
	})
	info := g.Info()
	t.Log(info)
	if info.RecvBufferAsked != 64<<10 || info.SendBufferAsked != 32<<10 || info.RecvBufferGot <= 0 || info.SendBufferGot <= 0 {
		t.Errorf("buffers: %+v", info)
	}
	if info.Sockets != len(g.Conns()) || info.Path == "" || info.DropSource == "" {
		t.Errorf("%+v", info)
	}
	if info.ReusePort == (info.ReusePortReason != "") || info.FilterAttached == (info.FilterReason != "") {
		t.Errorf("a reason where none is due, or none: %+v", info)
	}
	for _, c := range g.Conns() {
		if c.LocalAddr() != g.Addr() || g.Addr().Port() == 0 {
			t.Errorf("socket at %v, group at %v", c.LocalAddr(), g.Addr())
		}
	}
	g = listen(t, Config{Addr: loop4, Portable: true, DisableFilter: true, MinSize: 1})
	if i := g.Info(); i.Path != PathPortable || i.PathReason == "" || i.FilterAttached || i.FilterReason != "disabled" {
		t.Errorf("%+v", i)
	}
}

// Stats.Add must know every field.
func TestStatsAdd(t *testing.T) {
	one := ConnStats{
		1, 2, 3, 4, 5, 6, 7, 8, 9, 25, 26, 27, 10, 11, 12, 13, 24,
		SendErrors{14, 15, 16, 17, 18, 19, 20, 21, 22}, 23,
	}
	sum := one
	sum.Add(one)
	want := ConnStats{
		2, 4, 6, 8, 10, 12, 14, 16, 18, 50, 52, 54, 20, 22, 24, 26, 48,
		SendErrors{28, 30, 32, 34, 36, 38, 40, 42, 44}, 46,
	}
	if sum != want {
		t.Errorf("%+v", sum)
	}
	if n := one.SendErrors.Sum(); n != (14+22)*9/2 {
		t.Errorf("Sum = %d", n)
	}
}

func TestDropCounterWraps(t *testing.T) {
	var d dropCounter
	for _, v := range []uint32{5, 5, 1<<32 - 1, 3} {
		d.update(v)
	}
	if want := uint64(1<<32 + 3); d.total != want {
		t.Errorf("total %d, want %d", d.total, want)
	}
}
