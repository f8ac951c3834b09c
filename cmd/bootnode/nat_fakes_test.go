package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// These routers and servers on loopback do what package nat needs.

func serveUDP(t *testing.T, at string, answer func(packet []byte, from netip.AddrPort) []byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		t.Skipf("probed for an address of its own, %s: %v", at, err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if b := answer(buf[:n], from); b != nil {
				_, _ = conn.WriteToUDPAddrPort(b, from)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// router is a gateway that speaks NAT-PMP (RFC 6886) and UPnP.
type router struct {
	pmp  netip.Addr     // its address for NAT-PMP, which has a fixed port
	ssdp netip.AddrPort // where it is found for UPnP

	mu       sync.Mutex
	silent   bool
	external netip.Addr
	extPort  uint16            // given to every mapping
	mapped   map[string]uint16 // protocol to internal port
	requests int
}

func newRouter(t *testing.T) *router {
	r := &router{external: netip.MustParseAddr("44.1.2.3"), extPort: 40001, mapped: map[string]uint16{}}
	a := netip.AddrFrom4([4]byte{127, byte(1 + rand.N(254)), byte(rand.N(256)), byte(2 + rand.N(250))})
	r.pmp = serveUDP(t, netip.AddrPortFrom(a, 5351).String(), r.servePMP).Addr()
	web := httptest.NewServer(http.HandlerFunc(r.serveHTTP))
	t.Cleanup(web.Close)
	r.ssdp = serveUDP(t, "127.0.0.1:0", func(b []byte, _ netip.AddrPort) []byte {
		const st = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
		if r.mute() || !strings.Contains(string(b), "ST: "+st+"\r\n") {
			return nil
		}
		return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nST: %s\r\nUSN: uuid:1::%s\r\nLOCATION: %s/root.xml\r\n\r\n", st, st, web.URL)
	})
	return r
}

func (r *router) mute() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	return r.silent
}

func (r *router) mapping(protocol string) (port uint16, requests int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mapped[protocol], r.requests
}

func (r *router) servePMP(b []byte, _ netip.AddrPort) []byte {
	if r.mute() || len(b) < 2 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	head := []byte{0, b[1] | 0x80, 0, 0, 0, 0, 1, 0}
	if len(b) == 2 {
		return append(head, r.external.AsSlice()...)
	}
	lease := binary.BigEndian.Uint32(b[8:])
	port := r.extPort
	if lease == 0 {
		delete(r.mapped, "pmp")
		port = 0
	} else {
		r.mapped["pmp"] = binary.BigEndian.Uint16(b[4:])
	}
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(append(head, b[4], b[5]), port), lease)
}

func (r *router) serveHTTP(w http.ResponseWriter, q *http.Request) {
	const service = "urn:schemas-upnp-org:service:WANIPConnection:1"
	if q.Method == http.MethodGet {
		fmt.Fprint(w, `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><UDN>uuid:1</UDN>
<serviceList><service><serviceType>`+service+`</serviceType><serviceId>urn:upnp-org:serviceId:WAN1</serviceId>
<SCPDURL>/s</SCPDURL><controlURL>/c</controlURL><eventSubURL>/e</eventSubURL></service></serviceList></device></root>`)
		return
	}
	body, _ := io.ReadAll(q.Body)
	arg := func(name string) (port uint16) {
		_, after, _ := strings.Cut(string(body), "<"+name+">")
		fmt.Sscan(after, &port)
		return port
	}
	_, action, _ := strings.Cut(strings.Trim(q.Header.Get("Soapaction"), `"`), "#")
	r.mu.Lock()
	defer r.mu.Unlock()
	result := ""
	switch action {
	case "GetExternalIPAddress":
		result = "<NewExternalIPAddress>" + r.external.String() + "</NewExternalIPAddress>"
	case "AddPortMapping":
		r.mapped["upnp"] = arg("NewInternalPort")
	case "DeletePortMapping":
		delete(r.mapped, "upnp")
	}
	fmt.Fprintf(w, `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:%sResponse xmlns:u="%s">%s</u:%sResponse></s:Body></s:Envelope>`, action, service, result, action)
}

// stunServer answers every request with the address external.
func stunServer(t *testing.T, listen string, external netip.AddrPort) netip.AddrPort {
	const cookie = 0x2112a442
	return serveUDP(t, listen, func(b []byte, _ netip.AddrPort) []byte {
		if len(b) < 20 || binary.BigEndian.Uint32(b[4:]) != cookie {
			return nil
		}
		ip := external.Addr().AsSlice()
		for i := range ip {
			ip[i] ^= b[4+i] // the cookie and, for IPv6, the transaction ID
		}
		family := byte(1)
		if len(ip) == 16 {
			family = 2
		}
		value := append(binary.BigEndian.AppendUint16([]byte{0, family}, external.Port()^cookie>>16), ip...)
		attribute := append(binary.BigEndian.AppendUint16([]byte{0, 0x20}, uint16(len(value))), value...)
		m := binary.BigEndian.AppendUint16([]byte{1, 1}, uint16(len(attribute)))
		return append(append(m, b[4:20]...), attribute...)
	})
}
