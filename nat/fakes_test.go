package nat

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Most tests wait for missing answers, so many can run in parallel.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "32")
	os.Exit(m.Run())
}

// loopback is the only address that these tests use.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// serveUDP answers datagrams on loopback until the test ends. A nil answer sends nothing.
func serveUDP(t *testing.T, at netip.AddrPort, answer func(packet []byte, from netip.AddrPort) [][]byte) netip.AddrPort {
	t.Helper()
	if !at.Addr().IsLoopback() {
		t.Fatalf("%s is not loopback", at)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Skipf("probed a socket: %v", err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil || !from.Addr().IsLoopback() {
				continue
			}
			for _, a := range answer(buf[:n], from) {
				_, _ = conn.WriteToUDPAddrPort(a, from)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// collector gathers events.
type collector struct{ events chan Event }

func newCollector() *collector { return &collector{make(chan Event, 64)} }

func (c *collector) next(t *testing.T) Event {
	t.Helper()
	select {
	case e := <-c.events:
		return e
	case <-time.After(time.Minute):
		t.Fatal("no event")
		panic("unreachable")
	}
}

// mapper returns a Mapper that reaches only what opt names.
func mapper(t *testing.T, cfg Config, opt Options) (*Mapper, *collector) {
	t.Helper()
	c := newCollector()
	opt.Port = 9000
	opt.Report = func(e Event) { c.events <- e }
	if !opt.SSDP.IsValid() {
		opt.SSDP = netip.AddrPortFrom(loopback, 9) // the discard port
	}
	if opt.Gateways == nil {
		opt.Gateways = func() ([]netip.Addr, error) { return nil, nil }
	}
	if !opt.SSDP.Addr().IsLoopback() || cfg.Method == PMP && cfg.Addr.IsValid() && !cfg.Addr.IsLoopback() {
		t.Fatal("test would leave loopback")
	}
	m, err := NewMapper(cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, c
}

// fakeIGD is a UPnP router: SSDP over unicast, description and control.
type fakeIGD struct {
	http *httptest.Server
	ssdp netip.AddrPort

	mu       sync.Mutex
	service  string            // type of the WAN service
	external string            // external address
	location string            // sent in search answers; %s is the server's URL
	control  string            // control URL
	urlBase  string            // URLBase of the description
	search   [][]byte          // search answers instead of the good one
	descr    http.HandlerFunc  // instead of the good description
	soap     http.HandlerFunc  // instead of the good control
	taken    map[uint16]string // external ports of other hosts
	onlyPerm int               // error code for nonzero leases
	noRenew  bool              // renewing a mapping fails with a conflict
	mapped   map[uint16]string // external port to "client:port lease description"
	calls    []string          // actions
}

func newFakeIGD(t *testing.T) *fakeIGD {
	f := &fakeIGD{
		service: "WANIPConnection:1", external: "44.1.2.3", location: "%s/root.xml", control: "/ctl",
		taken: map[uint16]string{}, mapped: map[uint16]string{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/root.xml", f.describe)
	mux.HandleFunc("/ctl", f.act)
	f.http = httptest.NewServer(mux) // on loopback
	t.Cleanup(f.http.Close)
	f.ssdp = serveUDP(t, netip.AddrPortFrom(loopback, 0), f.answer)
	return f
}

func (f *fakeIGD) answer(packet []byte, _ netip.AddrPort) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := string(packet)
	const st = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
	if !strings.HasPrefix(text, "M-SEARCH * HTTP/1.1\r\n") || !strings.Contains(text, "MAN: \"ssdp:discover\"\r\n") ||
		!strings.Contains(text, "ST: "+st+"\r\n") || !strings.HasSuffix(text, "\r\n\r\n") {
		return nil
	}
	if f.search != nil {
		return f.search
	}
	return [][]byte{f.found()}
}

// found returns the good search answer.
func (f *fakeIGD) found() []byte {
	const st = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
	location := f.location
	if strings.Contains(location, "%s") {
		location = fmt.Sprintf(location, f.http.URL)
	}
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: %s\r\nUSN: uuid:1::%s\r\nEXT:\r\nLOCATION: %s\r\n\r\n", st, st, location)
}

// change changes the router under its lock.
func (f *fakeIGD) change(set func(*fakeIGD)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set(f)
}

func (f *fakeIGD) describe(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.descr != nil {
		f.descr(w, r)
		return
	}
	base := ""
	if f.urlBase != "" {
		base = "<URLBase>" + f.urlBase + "</URLBase>"
	}
	fmt.Fprintf(w, `<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>%s
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><friendlyName>router</friendlyName><UDN>uuid:1</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:%s</serviceType><serviceId>urn:upnp-org:serviceId:WAN1</serviceId>
<SCPDURL>/scpd.xml</SCPDURL><controlURL>%s</controlURL><eventSubURL>/evt</eventSubURL></service></serviceList>
</device></deviceList></device></deviceList></device></root>`, base, f.service, f.control)
}

// act is the control endpoint of the WAN service.
func (f *fakeIGD) act(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	urn, action, _ := strings.Cut(strings.Trim(r.Header.Get("Soapaction"), `"`), "#")
	f.calls = append(f.calls, action)
	if f.soap != nil {
		f.soap(w, r)
		return
	}
	arg := func(name string) string {
		_, after, _ := strings.Cut(string(body), "<"+name+">")
		value, _, _ := strings.Cut(after, "</"+name+">")
		return value
	}
	var port uint16
	_, _ = fmt.Sscan(arg("NewExternalPort"), &port)
	result := ""
	switch action {
	case "GetExternalIPAddress":
		result = "<NewExternalIPAddress>" + f.external + "</NewExternalIPAddress>"
	case "AddPortMapping":
		_, renewal := f.mapped[port]
		switch {
		case f.taken[port] != "" || f.noRenew && renewal:
			fault(w, 718, "ConflictInMappingEntry")
			return
		case f.onlyPerm != 0 && arg("NewLeaseDuration") != "0":
			fault(w, f.onlyPerm, "OnlyPermanentLeasesSupported")
			return
		case arg("NewProtocol") != "UDP" || arg("NewEnabled") != "1" || arg("NewRemoteHost") != "":
			fault(w, 402, "Invalid Args")
			return
		}
		f.mapped[port] = arg("NewInternalClient") + ":" + arg("NewInternalPort") + " " + arg("NewLeaseDuration") + " " + arg("NewPortMappingDescription")
	case "DeletePortMapping":
		if f.mapped[port] == "" {
			fault(w, 714, "NoSuchEntryInArray")
			return
		}
		delete(f.mapped, port)
	default:
		fault(w, 401, "Invalid Action")
		return
	}
	fmt.Fprintf(w, `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:%sResponse xmlns:u="%s">%s</u:%sResponse></s:Body></s:Envelope>`, action, urn, result, action)
}

func fault(w http.ResponseWriter, code int, text string) {
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode><errorDescription>%s</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>`, code, text)
}

// mappings returns a copy of what is mapped.
func (f *fakeIGD) mappings() map[uint16]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := map[uint16]string{}
	for p, s := range f.mapped {
		m[p] = s
	}
	return m
}

// fakePMP is a router with NAT-PMP, RFC 6886. The library knows one port, so that each fake has an
// address of its own.
type fakePMP struct {
	addr netip.Addr

	mu       sync.Mutex
	external [4]byte
	lease    uint32 // granted at most
	port     uint16 // granted; 0: as asked
	result   uint16
	drop     int                           // requests that are not answered
	answer   func(request []byte) [][]byte // instead of the good answer
	mapped   map[uint16]uint16             // internal to external
	requests int
}

func newFakePMP(t *testing.T) *fakePMP {
	f := &fakePMP{external: [4]byte{44, 1, 2, 4}, lease: 7200, mapped: map[uint16]uint16{}}
	a := netip.AddrFrom4([4]byte{127, byte(1 + rand.N(254)), byte(rand.N(256)), byte(1 + rand.N(254))})
	if c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0))); err != nil {
		a = loopback // not all systems have all of 127.0.0.0/8
	} else {
		c.Close()
	}
	f.addr = serveUDP(t, netip.AddrPortFrom(a, 5351), f.serve).Addr()
	return f
}

func (f *fakePMP) serve(b []byte, _ netip.AddrPort) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	if f.drop > 0 {
		f.drop--
		return nil
	}
	if f.answer != nil {
		return f.answer(b)
	}
	if len(b) < 2 || b[0] != 0 {
		return nil
	}
	head := []byte{0, b[1] | 0x80, byte(f.result >> 8), byte(f.result), 0, 0, 1, 0}
	switch {
	case b[1] == 0 && len(b) == 2:
		return [][]byte{append(head, f.external[:]...)}
	case b[1] == 1 && len(b) == 12:
		inner, outer, lease := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint32(b[8:])
		if lease == 0 {
			delete(f.mapped, inner)
			return [][]byte{append(head, b[4], b[5], 0, 0, 0, 0, 0, 0)}
		}
		if f.port != 0 {
			outer = f.port
		}
		if f.result == 0 {
			f.mapped[inner] = outer
		}
		r := binary.BigEndian.AppendUint16(append(head, b[4], b[5]), outer)
		return [][]byte{binary.BigEndian.AppendUint32(r, min(lease, f.lease))}
	}
	return nil
}

// change alters the router.
func (f *fakePMP) change(set func(*fakePMP)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set(f)
}

func (f *fakePMP) state() (mapped map[uint16]uint16, requests int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := map[uint16]uint16{}
	for i, o := range f.mapped {
		m[i] = o
	}
	return m, f.requests
}
