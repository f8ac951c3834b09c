package nat

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/netaddr"
)

func TestUPnP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		set      func(*fakeIGD)
		want     string // endpoint; "": any port except 9000
		mapping  string
		attempts int // to add a mapping
	}{
		{"WANIPConnection:1", func(*fakeIGD) {}, "44.1.2.3:9000", "127.0.0.1:9000 1200 discv5", 1},
		{"WANIPConnection:2", func(f *fakeIGD) { f.service = "WANIPConnection:2" }, "44.1.2.3:9000", "127.0.0.1:9000 1200 discv5", 1},
		{"WANPPPConnection:1", func(f *fakeIGD) { f.service = "WANPPPConnection:1" }, "44.1.2.3:9000", "127.0.0.1:9000 1200 discv5", 1},
		{"relative control URL", func(f *fakeIGD) { f.control = "ctl" }, "44.1.2.3:9000", "127.0.0.1:9000 1200 discv5", 1},
		{"foreign URLBase is not followed", func(f *fakeIGD) { f.urlBase = "http://192.0.2.1:80/" }, "44.1.2.3:9000", "127.0.0.1:9000 1200 discv5", 1},
		{"only permanent leases", func(f *fakeIGD) { f.onlyPerm = 725 }, "44.1.2.3:9000", "127.0.0.1:9000 0 discv5", 2},
		{"only permanent leases, said otherwise", func(f *fakeIGD) { f.onlyPerm = 402 }, "44.1.2.3:9000", "127.0.0.1:9000 0 discv5", 2},
		{"port is taken", func(f *fakeIGD) { f.taken[9000] = "x" }, "", "127.0.0.1:9000 1200 discv5", 2},
		{"junk before the answer", func(f *fakeIGD) {
			f.search = [][]byte{[]byte("junk"), {}, []byte("HTTP/1.1 404 Not Found\r\n\r\n"), f.found()}
		}, "44.1.2.3:9000", "127.0.0.1:9000 1200 discv5", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeIGD(t)
			f.change(c.set)
			m, events := mapper(t, Config{Method: UPnP}, Options{SSDP: f.ssdp})
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			e := events.next(t)
			if e.Err != nil || e.Method != UPnP || !e.PortKnown || c.want != "" && e.Endpoint.String() != c.want ||
				c.want == "" && e.Endpoint.Port() < 49152 {
				t.Fatalf("%+v, want %s", e, c.want)
			}
			if got := f.mappings(); len(got) != 1 || got[e.Endpoint.Port()] != c.mapping {
				t.Errorf("mapped %v, want %s", got, c.mapping)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if got := f.mappings(); len(got) != 0 {
				t.Errorf("still mapped after Close: %v", got)
			}
			f.change(func(f *fakeIGD) {
				n := 0
				for _, call := range f.calls {
					if call == "AddPortMapping" {
						n++
					}
				}
				if n != c.attempts {
					t.Errorf("actions %v, want AddPortMapping %d times", f.calls, c.attempts)
				}
			})
		})
	}
}

func TestUPnPRenewal(t *testing.T) {
	t.Parallel()
	for _, noRenew := range []bool{false, true} {
		f := newFakeIGD(t)
		f.change(func(f *fakeIGD) { f.noRenew = noRenew })
		m, _ := mapper(t, Config{Method: UPnP}, Options{SSDP: f.ssdp})
		gw, g, err := m.connect(t.Context(), 9000)
		if err != nil {
			t.Fatal(err)
		}
		f.change(func(f *fakeIGD) { f.external = "44.9.9.9" })
		again, err := gw.open(t.Context(), g.endpoint.Port())
		if err != nil || again.endpoint.String() != "44.9.9.9:9000" {
			t.Errorf("renewal: %v, %v", again.endpoint, err)
		}
		f.change(func(f *fakeIGD) { delete(f.mapped, 9000) }) // the router forgets the mapping
		if err := gw.close(t.Context()); err != nil {
			t.Errorf("deleting what is gone: %v", err)
		}
	}
}

func TestUPnPHostile(t *testing.T) {
	t.Parallel()
	write := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
	}
	const st = "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
	search := func(s ...string) func(*fakeIGD) {
		return func(f *fakeIGD) {
			for _, a := range s {
				f.search = append(f.search, []byte(a))
			}
		}
	}
	for _, c := range []struct {
		name string
		set  func(*fakeIGD)
		want error
	}{
		{"silent", func(f *fakeIGD) { f.search = [][]byte{} }, ErrNoAnswer},
		{"garbage datagrams", search("junk", "\x00\x01", "HTTP/1.1\r\n\r\n"), ErrBadAnswer},
		{"another device", search("HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://127.0.0.1:1/\r\n\r\n"), ErrBadAnswer},
		{"no location", search("HTTP/1.1 200 OK\r\n" + st + "\r\n"), ErrBadAnswer},
		{"location elsewhere", func(f *fakeIGD) { f.location = "http://44.0.0.1/root.xml" }, ErrWrongGateway},
		{"location by name", func(f *fakeIGD) { f.location = "http://localhost/root.xml" }, ErrWrongGateway},
		{"location with user", func(f *fakeIGD) { f.location = "http://a:b@127.0.0.1/root.xml" }, ErrBadAnswer},
		{"location is a file", func(f *fakeIGD) { f.location = "file:///etc/passwd" }, ErrBadAnswer},
		{"location over TLS", func(f *fakeIGD) { f.location = "https://127.0.0.1/" }, ErrBadAnswer},
		{"nobody at location", func(f *fakeIGD) { f.location = "http://127.0.0.1:1/root.xml" }, ErrNoAnswer},
		{"description missing", func(f *fakeIGD) { f.location = "%s/other.xml" }, ErrBadAnswer},
		{"description is garbage", func(f *fakeIGD) { f.descr = write("<<<>>>") }, ErrBadAnswer},
		{"description is empty", func(f *fakeIGD) { f.descr = write("") }, ErrBadAnswer},
		{"description without service", func(f *fakeIGD) { f.service = "Layer3Forwarding:1" }, ErrBadAnswer},
		{"description redirects", func(f *fakeIGD) {
			f.descr = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			}
		}, ErrBadAnswer},
		{"description is huge", func(f *fakeIGD) {
			f.descr = write(`<root xmlns="urn:schemas-upnp-org:device-1-0">` + strings.Repeat(" ", 4<<20))
		}, ErrTooLarge},
		{"description has too many elements", func(f *fakeIGD) {
			f.descr = write(`<root xmlns="urn:schemas-upnp-org:device-1-0"><device>` + strings.Repeat("<a/>", 40000))
		}, ErrTooLarge},
		{"description is deep", func(f *fakeIGD) {
			f.descr = write(`<root xmlns="urn:schemas-upnp-org:device-1-0">` + strings.Repeat("<device><deviceList>", 11000))
		}, ErrTooLarge},
		{"control elsewhere", func(f *fakeIGD) { f.control = "http://44.0.0.1/ctl" }, ErrWrongGateway},
		{"control is garbage", func(f *fakeIGD) { f.soap = write("no XML") }, ErrBadAnswer},
		{"control is huge", func(f *fakeIGD) {
			f.soap = write(`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/">` + strings.Repeat("x", 4<<20))
		}, ErrTooLarge},
		{"control hangs up", func(f *fakeIGD) {
			f.soap = func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
		}, ErrNoAnswer},
		{"control refuses", func(f *fakeIGD) {
			f.soap = func(w http.ResponseWriter, _ *http.Request) { fault(w, 606, "Action not authorized\x1b[31m") }
		}, ErrBadAnswer},
		{"action is refused", func(f *fakeIGD) {
			f.soap = func(w http.ResponseWriter, _ *http.Request) { fault(w, 606, "Action not authorized") }
		}, ErrRefused},
		{"all ports are taken", func(f *fakeIGD) {
			for p := range 65536 {
				f.taken[uint16(p)] = "x"
			}
		}, ErrRefused},
		{"private external address", func(f *fakeIGD) { f.external = "192.168.1.2" }, ErrNotGlobal},
		{"carrier-grade NAT", func(f *fakeIGD) { f.external = "100.64.3.4" }, ErrNotGlobal},
		{"unspecified external address", func(f *fakeIGD) { f.external = "0.0.0.0" }, ErrNotGlobal},
		{"empty external address", func(f *fakeIGD) { f.external = "" }, ErrBadAnswer},
		{"IPv6 external address", func(f *fakeIGD) { f.external = "2a00::1" }, ErrBadAnswer},
		{"external address is garbage", func(f *fakeIGD) { f.external = strings.Repeat("4", 9000) }, ErrBadAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeIGD(t)
			f.change(c.set)
			m, events := mapper(t, Config{Method: UPnP}, Options{SSDP: f.ssdp})
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			e := events.next(t)
			var typed *Error
			if !errors.Is(e.Err, c.want) || !errors.As(e.Err, &typed) || typed.Method != UPnP || e.Endpoint.IsValid() {
				t.Errorf("%+v, want %v", e, c.want)
			}
			if text := fmt.Sprint(e.Err); len(text) > 1000 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r > '~' }) {
				t.Errorf("error of %d bytes: %.300q", len(text), text)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if got := f.mappings(); len(got) != 0 {
				t.Errorf("mapped %v", got)
			}
		})
	}
}

// TestUPnPAllowPrivate: a private external address is accepted if the user says so.
func TestUPnPAllowPrivate(t *testing.T) {
	t.Parallel()
	f := newFakeIGD(t)
	f.change(func(f *fakeIGD) { f.external = "10.1.2.3" })
	m, events := mapper(t, Config{Method: UPnP}, Options{SSDP: f.ssdp, AllowPrivate: true})
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := events.next(t); e.Err != nil || e.Endpoint.String() != "10.1.2.3:9000" {
		t.Errorf("%+v", e)
	}
}

// TestSearchFlood: a flood of answers neither grows the list nor delays the end of the search.
func TestSearchFlood(t *testing.T) {
	t.Parallel()
	f := newFakeIGD(t)
	f.change(func(f *fakeIGD) {
		for i := range 200 {
			f.search = append(f.search, fmt.Appendf(nil,
				"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: http://127.0.0.1:1/%d\r\n\r\n", i%100))
		}
	})
	list, err := searchIGD(t.Context(), f.ssdp)
	if err != nil || len(list) > maxGateways {
		t.Errorf("%d devices, %v", len(list), err)
	}
}

// TestReadAnswerMulticast checks a search to the multicast group without sending one.
func TestReadAnswerMulticast(t *testing.T) {
	target := netip.MustParseAddrPort("239.255.255.250:1900")
	answer := func(location string) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\nLOCATION: %s\r\n\r\n", location)
	}
	for _, c := range []struct {
		from, location string
		want           error
	}{
		{"192.168.1.1", "http://192.168.1.1:5000/root.xml", nil},
		{"192.168.1.1", "http://192.168.1.2:5000/root.xml", ErrWrongGateway},
		{"44.1.1.1", "http://44.1.1.1:5000/root.xml", ErrWrongGateway},
		{"127.0.0.1", "http://127.0.0.1:5000/root.xml", ErrWrongGateway},
	} {
		d, err := readAnswer(answer(c.location), netip.MustParseAddr(c.from), target)
		if !errors.Is(err, c.want) || err == nil && d.location.String() != c.location {
			t.Errorf("%s from %s: %v, %v", c.location, c.from, d, err)
		}
	}
	locals, err := searchFrom(target)
	if err != nil || slices.ContainsFunc(locals, func(a netip.Addr) bool { return netaddr.ClassOf(a) != netaddr.Private }) {
		t.Errorf("would search from %v, %v", locals, err)
	}
}

func FuzzSearchAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: http://192.168.1.1:1/\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nLOCATION: http://[::1%25a]:1/\r\n\r\n5\r\nabc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		from := netip.MustParseAddr("192.168.1.1")
		d, err := readAnswer(b, from, netip.MustParseAddrPort("239.255.255.250:1900"))
		if err == nil && (d.location.Scheme != "http" || d.location.Hostname() != "192.168.1.1") {
			t.Fatalf("location %s", d.location)
		}
		if err != nil && !errors.Is(err, ErrBadAnswer) && !errors.Is(err, ErrWrongGateway) {
			t.Fatal(err)
		}
	})
}
