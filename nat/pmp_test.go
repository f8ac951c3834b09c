package nat

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestPMP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		set      func(*fakePMP)
		explicit bool // the user named the gateway
		want     string
	}{
		{"default gateway", func(*fakePMP) {}, false, "44.1.2.4:9000"},
		{"named gateway", func(*fakePMP) {}, true, "44.1.2.4:9000"},
		{"another port", func(f *fakePMP) { f.port = 40000 }, true, "44.1.2.4:40000"},
		{"lost requests", func(f *fakePMP) { f.drop = 1 }, true, "44.1.2.4:9000"},
		{"short lease", func(f *fakePMP) { f.lease = 60 }, true, "44.1.2.4:9000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFakePMP(t)
			f.change(c.set)
			cfg, opt := Config{Method: PMP}, Options{}
			if c.explicit {
				cfg.Addr = f.addr
			} else {
				opt.Gateways = func() ([]netip.Addr, error) { return []netip.Addr{f.addr}, nil }
			}
			m, events := mapper(t, cfg, opt)
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			e := events.next(t)
			if e.Err != nil || e.Method != PMP || e.Endpoint.String() != c.want || !e.PortKnown {
				t.Fatalf("%+v, want %s", e, c.want)
			}
			if got, _ := f.state(); len(got) != 1 || got[9000] != e.Endpoint.Port() {
				t.Errorf("mapped %v", got)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if got, _ := f.state(); len(got) != 0 {
				t.Errorf("still mapped after Close: %v", got)
			}
		})
	}
}

func TestPMPHostile(t *testing.T) {
	t.Parallel()
	// answer replaces the good answer to one opcode.
	answer := func(op byte, b ...byte) func(*fakePMP) {
		return func(f *fakePMP) {
			f.answer = func(request []byte) [][]byte {
				if request[1] == op {
					return [][]byte{b}
				}
				good := f.answer
				f.answer = nil
				f.mu.Unlock() // serve holds the lock
				a := f.serve(request, netip.AddrPort{})
				f.mu.Lock()
				f.answer = good
				return a
			}
		}
	}
	for _, c := range []struct {
		name string
		set  func(*fakePMP)
		want error
	}{
		{"silent", func(f *fakePMP) { f.drop = 1 << 30 }, ErrNoAnswer},
		{"garbage", answer(0, 'h', 'e', 'l', 'l', 'o'), ErrBadAnswer},
		{"empty", answer(0), ErrBadAnswer},
		{"answer of another opcode", answer(0, 0, 129, 0, 0, 0, 0, 0, 1, 44, 1, 2, 4), ErrBadAnswer},
		{"request sent back", answer(0, 0, 0), ErrBadAnswer},
		{"truncated", answer(0, 0, 128, 0, 0, 0, 0, 0, 1, 44, 1, 2), ErrBadAnswer},
		{"PCP", answer(0, 2, 128, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0), ErrBadAnswer},
		{"refused", func(f *fakePMP) { f.result = 2 }, ErrRefused},
		{"mapping refused", answer(1, 0, 129, 0, 4, 0, 0, 0, 1, 0x23, 0x28, 0, 0, 0, 0, 0, 0), ErrRefused},
		{"lease of 0", answer(1, 0, 129, 0, 0, 0, 0, 0, 1, 0x23, 0x28, 0x23, 0x28, 0, 0, 0, 0), ErrLease},
		{"lease of 1 s", answer(1, 0, 129, 0, 0, 0, 0, 0, 1, 0x23, 0x28, 0x23, 0x28, 0, 0, 0, 1), ErrLease},
		{"external port 0", answer(1, 0, 129, 0, 0, 0, 0, 0, 1, 0x23, 0x28, 0, 0, 0, 0, 4, 0), ErrBadAnswer},
		{"another internal port", answer(1, 0, 129, 0, 0, 0, 0, 0, 1, 0, 22, 0x23, 0x28, 0, 0, 4, 0), ErrBadAnswer},
		{"private external address", func(f *fakePMP) { f.external = [4]byte{10, 0, 0, 1} }, ErrNotGlobal},
		{"no external address", func(f *fakePMP) { f.external = [4]byte{} }, ErrNotGlobal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFakePMP(t)
			f.change(c.set)
			opt := Options{}
			if c.want == ErrNoAnswer {
				opt.Timeout = 600 * time.Millisecond
			}
			m, events := mapper(t, Config{Method: PMP, Addr: f.addr}, opt)
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			e := events.next(t)
			var typed *Error
			if !errors.Is(e.Err, c.want) || !errors.As(e.Err, &typed) || typed.Method != PMP || e.Endpoint.IsValid() {
				t.Errorf("%+v, want %v", e, c.want)
			}
			if c.want == ErrRefused {
				var r *RefusedError
				if !errors.As(e.Err, &r) || r.Code == 0 {
					t.Errorf("%v has no code", e.Err)
				}
			}
		})
	}
}

func TestPMPNobody(t *testing.T) {
	t.Parallel()
	// No socket is open there, so the system refuses the request if it has the address.
	a := netip.MustParseAddr("127.99.98.97")
	m, events := mapper(t, Config{Method: PMP, Addr: a}, Options{Timeout: 600 * time.Millisecond})
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := events.next(t); !errors.Is(e.Err, ErrNoAnswer) {
		t.Errorf("%+v", e)
	}
	for _, gateways := range [][]netip.Addr{nil, {netip.MustParseAddr("::1")}} {
		m, events := mapper(t, Config{Method: PMP}, Options{Gateways: func() ([]netip.Addr, error) { return gateways, nil }})
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := events.next(t); !errors.Is(e.Err, ErrNoAnswer) {
			t.Errorf("gateways %v: %+v", gateways, e)
		}
	}
}

// TestPMPWrongSource: only the queried gateway may answer.
func TestPMPWrongSource(t *testing.T) {
	t.Parallel()
	liar, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer liar.Close()
	f := newFakePMP(t)
	if f.addr == loopback {
		t.Skip("probed for a second loopback address: there is none")
	}
	a := netip.AddrPortFrom(f.addr.Next(), 5351)
	silent := serveUDP(t, a, func(_ []byte, from netip.AddrPort) [][]byte {
		_, _ = liar.WriteToUDPAddrPort([]byte{0, 128, 0, 0, 0, 0, 0, 1, 44, 6, 6, 6}, from)
		return nil
	})
	m, events := mapper(t, Config{Method: PMP, Addr: silent.Addr()}, Options{Timeout: 600 * time.Millisecond})
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := events.next(t); !errors.Is(e.Err, ErrNoAnswer) {
		t.Errorf("%+v", e)
	}
}

func TestAny(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		upnp, pmp bool // the router supports it
		external  string
		want      Method
	}{
		{"UPnP only", true, false, "", UPnP},
		{"PMP only", false, true, "", PMP},
		{"both: either will do, but one only", true, true, "", Any},
		{"UPnP does not map", true, true, "10.0.0.1", PMP},
		{"neither", false, false, "", None},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			igd, pmp := newFakeIGD(t), newFakePMP(t)
			igd.change(func(f *fakeIGD) {
				if !c.upnp {
					f.search = [][]byte{}
				}
				if c.external != "" {
					f.external = c.external
				}
			})
			if !c.pmp {
				pmp.change(func(f *fakePMP) { f.drop = 1 << 30 })
			}
			timeout := DefaultTimeout
			if c.want == None {
				timeout = time.Second
			}
			m, events := mapper(t, Config{Method: Any}, Options{
				SSDP: igd.ssdp, Gateways: func() ([]netip.Addr, error) { return []netip.Addr{pmp.addr}, nil }, Timeout: timeout,
			})
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			e := events.next(t)
			if c.want == None {
				if !errors.Is(e.Err, ErrNoAnswer) || e.Method != Any || e.Endpoint.IsValid() {
					t.Errorf("%+v", e)
				}
				return
			}
			if e.Err != nil || e.Method != c.want && (c.want != Any || e.Method != UPnP && e.Method != PMP) {
				t.Errorf("%+v, want %s", e, c.want)
			}
			p, _ := pmp.state()
			if n := len(p) + len(igd.mappings()); n != 1 {
				t.Errorf("%d mappings", n)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			p, _ = pmp.state()
			if n := len(p) + len(igd.mappings()); n != 0 {
				t.Errorf("%d mappings after Close", n)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	e := fail(PMP, "add mapping", fmt.Errorf("%w: %s", ErrBadAnswer, printable("\x1b[2J\n"+strings.Repeat("é", 300))))
	if s := e.Error(); len(s) > 300 || strings.ContainsAny(s, "\x1b\né") || !strings.HasPrefix(s, "nat: pmp: add mapping: ") {
		t.Errorf("%q", s)
	}
	if fail(PMP, "", nil) != nil {
		t.Error("an error of nothing")
	}
}
