package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/nat"
)

// The bootnode asks the router for a mapping, prints a record with the result, and deletes the
// mapping when it stops.
func TestNATMapping(t *testing.T) {
	for _, c := range []struct {
		name, protocol, want string
		method               func(*router) string
	}{
		{"NAT-PMP", "pmp", "44.1.2.3:40001", func(r *router) string { return "pmp:" + r.pmp.String() }},
		{"UPnP", "upnp", "44.1.2.3", func(*router) string { return "upnp" }},
		{"any", "upnp", "44.1.2.3", func(*router) string { return "any" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(t)
			p := startWith(t, t.TempDir(), []string{ssdpEnv + "=" + r.ssdp.String()}, "--nat", c.method(r), "--http", anyPort)
			got, _ := p.record.UDPEndpoint4()
			if !strings.HasPrefix(got.String(), c.want) {
				t.Errorf("record names %v, want %v", got, c.want)
			}
			inside, _ := r.mapping(c.protocol)
			if inside == 0 {
				t.Error("no mapping")
			}
			eventually(t, "log line", func() bool { return strings.Contains(p.Log.String(), "external endpoint") })
			if p.metric(t, "discv5_nat_endpoint_known") != 1 || p.metric(t, "discv5_nat_failures_total") != 0 {
				t.Error("metrics do not know the endpoint")
			}
			if log := p.Log.String(); !strings.Contains(log, "from=--nat") || strings.Contains(log, "only nodes of this network") {
				t.Errorf("log:\n%s", log)
			}
			p.stop(t)
			if inside, _ := r.mapping(c.protocol); inside != 0 {
				t.Errorf("port %d is still mapped after the stop", inside)
			}
		})
	}
}

// A STUN server finds the address only: the port in its response is that of another socket.
func TestNATSTUN(t *testing.T) {
	t.Parallel()
	server := stunServer(t, "127.0.0.1:0", netip.MustParseAddrPort("44.5.6.7:1234"))
	p := start(t, t.TempDir(), "--nat", "stun:"+server.String())
	got, _ := p.record.UDPEndpoint4()
	eventually(t, "log line", func() bool { return strings.Contains(p.Log.String(), "listening") })
	_, rest, _ := strings.Cut(p.Log.String(), "msg=listening addr=")
	listening := netip.MustParseAddrPort(strings.Fields(rest)[0])
	if want := netip.AddrPortFrom(netip.MustParseAddr("44.5.6.7"), listening.Port()); got != want {
		t.Errorf("record names %v, want %v", got, want)
	}
	if !strings.Contains(p.Log.String(), "port_known=false") {
		t.Error("the log does not tell that the port is a guess")
	}
	p.stop(t)
}

func TestNATSTUNIPv6(t *testing.T) {
	t.Parallel()
	server := stunServer(t, "[::1]:0", netip.MustParseAddrPort("[2a00:1:2::3]:1234"))
	p := start(t, t.TempDir(), "--addr", "127.0.0.1:0", "--addr", "[::1]:0", "--nat", "stun:"+server.String())
	v4, _ := p.record.UDPEndpoint4()
	v6, _ := p.record.UDPEndpoint6()
	if v6.Addr() != netip.MustParseAddr("2a00:1:2::3") || v4.IsValid() && !v4.Addr().IsLoopback() {
		t.Errorf("record names %v and %v", v4, v6)
	}
	p.stop(t)
}

// Without --nat the bootnode asks nobody. A silent router does not prevent a start.
func TestNATNoneAndSilence(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	env := []string{ssdpEnv + "=" + r.ssdp.String()}
	p := startWith(t, t.TempDir(), env)
	p.stop(t)
	if _, n := r.mapping("pmp"); n != 0 {
		t.Errorf("%d requests without being asked", n)
	}
	r.mu.Lock()
	r.silent = true
	r.mu.Unlock()
	p = startWith(t, t.TempDir(), env, "--nat", "pmp:"+r.pmp.String(), "--http", anyPort)
	if a, _ := p.record.UDPEndpoint4(); !a.Addr().IsLoopback() {
		t.Errorf("record names %v", a)
	}
	eventually(t, "failure in the log", func() bool { return strings.Contains(p.Log.String(), "external endpoint not found") })
	if p.metric(t, "discv5_nat_endpoint_known") != 0 || p.metric(t, "discv5_nat_failures_total") == 0 {
		t.Error("metrics know an endpoint")
	}
	p.stop(t)

	p = start(t, t.TempDir(), "--nat", "extip:198.18.0.9")
	if a, _ := p.record.UDPEndpoint4(); a.Addr() != netip.MustParseAddr("198.18.0.9") {
		t.Errorf("record names %v", a)
	}
	eventually(t, "origin in the log", func() bool { return strings.Contains(p.Log.String(), "from=--nat") })
	p.stop(t)
}

// Later answers of the router go into the record too. A lost endpoint stays there until peers vote
// for another one.
func TestMappingEvents(t *testing.T) {
	node, err := discv5.New(discv5.Config{ListenAddrs: mustAddrs("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	var out bytes.Buffer
	count := newCounts(time.Now())
	m := &mapping{
		node: node, log: slog.New(slog.NewTextHandler(&out, nil)), count: count,
		last: map[discv5.Family]nat.Event{}, first: map[discv5.Family]chan struct{}{discv5.IPv4: make(chan struct{})},
	}
	a, b := netip.MustParseAddrPort("44.1.2.3:1000"), netip.MustParseAddrPort("44.1.2.4:2000")
	failed := errors.New("router\nis gone")
	for i, c := range []struct {
		event nat.Event
		want  netip.AddrPort
		known bool
		log   string
	}{
		{nat.Event{Err: failed}, node.Addrs()[0], false, "not found"},
		{nat.Event{Endpoint: a, PortKnown: true}, a, true, "external endpoint"},
		{nat.Event{Endpoint: b}, b, true, "44.1.2.4:2000"},
		{nat.Event{Endpoint: b, Err: failed}, b, true, "remains in use"},
		{nat.Event{Err: failed}, b, false, "lost"},
		{nat.Event{Err: failed}, b, false, "not found"},
		{nat.Event{Endpoint: a}, a, true, "external endpoint"},
	} {
		out.Reset()
		m.report(discv5.IPv4, c.event)
		got, _ := node.LocalRecord().UDPEndpoint4()
		if got != c.want || count.natKnown.Load() != c.known || m.found(c.want) != c.known || !strings.Contains(out.String(), c.log) {
			t.Errorf("event %d: record names %v, known %v, log %q", i, got, count.natKnown.Load(), out.String())
		}
		if strings.Count(out.String(), "\n") != 1 {
			t.Errorf("event %d: log %q", i, out.String())
		}
	}
	if n := count.natFailures.Load(); n != 4 {
		t.Errorf("%d failures counted", n)
	}
}
