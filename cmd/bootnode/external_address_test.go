package main

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/hostaddr"
	"github.com/fastdisc/discv5/internal/store"
)

// The settings about the node's own address reach the node, and errors name mistakes.
func TestReachSettings(t *testing.T) {
	for name, c := range map[string]struct {
		args           []string
		detect, misses int
		wait, retry    time.Duration
		flaw           string
	}{
		"defaults":      {nil, 10, 5, 5 * time.Minute, time.Hour, ""},
		"all":           {[]string{"--detect-address", "3", "--reach-wait", "2m", "--reach-misses", "7", "--reach-retry", "1m"}, 3, 7, 2 * time.Minute, time.Minute, ""},
		"no votes":      {[]string{"--detect-address", "-1"}, -1, 5, 5 * time.Minute, time.Hour, ""},
		"never revoked": {[]string{"--reach-wait", "0"}, 10, 5, -1, time.Hour, ""},
		"zero votes":    {[]string{"--detect-address", "0"}, 0, 0, 0, 0, "--detect-address 0"},
		"many votes":    {[]string{"--detect-address", "1000"}, 0, 0, 0, 0, "--detect-address 1000"},
		"negative":      {[]string{"--reach-wait", "-1s"}, 0, 0, 0, 0, "--reach-wait -1s"},
		"no misses":     {[]string{"--reach-misses", "0"}, 0, 0, 0, 0, "--reach-misses 0"},
		"no retry":      {[]string{"--reach-retry", "0"}, 0, 0, 0, 0, "--reach-retry 0"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := load(c.args, nil)
			if c.flaw != "" {
				if err == nil || !strings.Contains(err.Error(), c.flaw) {
					t.Errorf("error %v, want one with %q", err, c.flaw)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if cfg := o.nodeConfig(nil); cfg.DetectAddress != c.detect || cfg.ReachMisses != c.misses || cfg.ReachWait != c.wait || cfg.ReachRetry != c.retry {
				t.Errorf("detect %d, misses %d, wait %v, retry %v", cfg.DetectAddress, cfg.ReachMisses, cfg.ReachWait, cfg.ReachRetry)
			}
		})
	}
}

// nowhere is a Conn that receives nothing.
type nowhere struct {
	brokenConn
	addr netip.AddrPort
}

func (c nowhere) LocalAddr() netip.AddrPort { return c.addr }

// The database keeps the state of the node's own addresses for the next start. The daemon writes it
// when it has changed, not after each vote.
func TestAddressesAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes.db")
	st, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	id := enr.ID{1}
	end := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	states := []discv5.AddressState{{
		Family: discv5.IPv4, Endpoint: end("9.9.9.9:9000"), Source: discv5.AddressVoted, Since: at, Proven: true, ProvenAt: at,
		ProvenBy:  []netip.Prefix{netip.MustParsePrefix("7.7.7.0/24"), netip.MustParsePrefix("6.6.6.0/24")},
		Interface: end("10.0.0.1:9000"), Before: end("8.8.8.8:9000"), Votes: 12, Missed: 3,
	}, {Family: discv5.IPv6}}
	var k addressKeeper
	written := func() string {
		t.Helper()
		if err := k.save(st, id, states); err != nil {
			t.Fatal(err)
		}
		b, err := st.Addresses(id)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := written()
	states[0].Votes, states[0].Missed, states[0].ProvenAt = 20, 4, at.Add(time.Minute)
	if got := written(); got != first {
		t.Errorf("written again for a vote: %s", got)
	}
	states[0].ProvenAt = at.Add(2 * time.Hour)
	if got := written(); got == first {
		t.Error("not written though a new source has come")
	}
	states[0].Endpoint = end("9.9.9.10:9000")
	if got := written(); !strings.Contains(got, "9.9.9.10:9000") {
		t.Errorf("after a change: %s", got)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}

	if st, err = store.Open(path); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s := &storage{store: st}
	got, err := s.addresses(id)
	if err != nil || !reflect.DeepEqual(got, lasting(states)) {
		t.Errorf("the next start finds %+v, %v", got, err)
	}
	for _, bad := range []string{"x", "{}", `[{"family":5}]`, `[{"family":4,"source":"x"}]`} {
		if err := st.SaveAddresses(id, []byte(bad)); err != nil {
			t.Fatal(err)
		}
		s.problems = nil
		if got, err := s.addresses(id); err != nil || got != nil || len(s.problems) != 1 {
			t.Errorf("of %q it finds %+v, %v, and complains %q", bad, got, err, s.problems)
		}
	}
	if got, err := (&storage{}).addresses(id); got != nil || err != nil {
		t.Errorf("without a database: %v, %v", got, err)
	}
}

// A restart keeps the proven address of the last run, and pages and metrics show it.
func TestAddressPage(t *testing.T) {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	outer, inner := netip.MustParseAddrPort("9.9.9.9:9000"), netip.MustParseAddrPort("10.0.0.1:9000")
	previous, err := enr.NewBuilder().SetSeq(7).SetIP(outer.Addr()).SetUDP(9000).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	by := []netip.Prefix{netip.MustParsePrefix("7.7.7.0/24"), netip.MustParsePrefix("6.6.6.0/24")}
	node, err := discv5.New(discv5.Config{
		PrivateKey: key, Previous: previous, Conns: []fastpath.Conn{nowhere{addr: inner}},
		PreviousAddresses: []discv5.AddressState{{Family: discv5.IPv4, Endpoint: outer, Source: discv5.AddressVoted, Proven: true, ProvenBy: by, ProvenAt: time.Now().Add(-time.Hour), Interface: inner}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	p := pages{node: node}
	answer := httptest.NewRecorder()
	p.address(answer, httptest.NewRequest(http.MethodGet, "/address", nil))
	var got []discv5.AddressState
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || len(got) != 2 {
		t.Fatalf("%s: %v", answer.Body, err)
	}
	if s := got[0]; s.Endpoint != outer || s.Source != discv5.AddressSaved || !s.Proven || !slices.Equal(s.ProvenBy, by) || time.Since(s.ProvenAt) < 59*time.Minute {
		t.Errorf("IPv4: %+v", s)
	}
	if s := got[1]; s.Endpoint.IsValid() || s.Source != discv5.AddressNone {
		t.Errorf("IPv6: %+v", s)
	}
	answer = httptest.NewRecorder()
	p.address(answer, httptest.NewRequest(http.MethodGet, "/address?x=1", nil))
	if answer.Code != http.StatusBadRequest {
		t.Errorf("with a parameter: %d", answer.Code)
	}

	registry := prometheus.NewRegistry()
	registry.MustRegister(newAddressCollector(node))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"discv5_address_source 4 saved": 1, "discv5_address_source 6 none": 1, "discv5_address_proven 4": 1, "discv5_address_proven 6": 0,
		"discv5_address_in_doubt 4": 0, "discv5_address_votes 4": 0, "discv5_address_rival_votes 4": 0, "discv5_address_missed_networks 4": 0,
	} {
		if got, ok := values[name]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, ok, want)
		}
	}
}

// Nodes of the last run and of lists in DNS do not vouch for the votes of others.
func TestSavedNodesAreUnvouched(t *testing.T) {
	st, err := store.Open(filepath.Join(t.TempDir(), "nodes.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := enr.NewBuilder().SetIP(netip.MustParseAddr("9.9.9.9")).SetUDP(9000).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.SaveNodes([]store.Entry{{ID: r.ID(), Seq: r.Seq(), Record: r.Bytes(), Seen: time.Now()}}, true); err != nil {
		t.Fatal(err)
	}
	list, err := (&storage{store: st}).seeds()
	if err != nil || len(list) != 1 || list[0] != list[0].Unvouched() {
		t.Errorf("seeds %+v, %v", list, err)
	}
	if named := discv5.ContactOf(r); named == named.Unvouched() {
		t.Error("all contacts are unvouched: this tests nothing")
	}
}

type fakeMachine struct {
	list   []hostaddr.Addr
	source string
}

func (m fakeMachine) Addrs() ([]hostaddr.Addr, error) { return m.list, nil }
func (m fakeMachine) Source(netip.Addr) netip.Addr    { return netip.MustParseAddr(m.source) }
func ownAddr(s string, set func(*hostaddr.Addr)) fakeMachine {
	a := hostaddr.Addr{Prefix: netip.MustParsePrefix(s)}
	if set != nil {
		set(&a)
	}
	return fakeMachine{list: []hostaddr.Addr{a}, source: "91.9.9.9"}
}

// A warning names an --extip of this machine where the node does not answer, or will not for long.
func TestExtIPWarnings(t *testing.T) {
	const v4, v6 = "91.1.1.1/24", "2a00::1/64"
	for _, c := range []struct {
		name, named string
		m           fakeMachine
		listen      string
		knows       bool
		want        string // part of the warning; empty for none
	}{
		{"of another machine", "91.2.2.2:9000", ownAddr(v4, nil), "0.0.0.0:9000", true, ""},
		{"another machine, loopback", "91.2.2.2:5", ownAddr(v4, nil), "127.0.0.1:9000", true, "each --addr is a loopback address"},
		{"another machine, IPv6 loopback", "[2a00::2]:5", ownAddr(v6, nil), "[::1]:9000", true, "each --addr is a loopback address"},
		{"loopback at loopback", "127.0.0.2:9000", ownAddr(v4, nil), "127.0.0.1:9000", true, ""},
		{"wildcard", "91.1.1.1:9000", ownAddr(v4, nil), "0.0.0.0:9000", true, ""},
		{"bound", "91.1.1.1:9000", ownAddr(v4, nil), "91.1.1.1:9000", false, ""},
		{"another one bound", "91.1.1.1:9000", ownAddr(v4, nil), "91.1.1.7:9000", false, "no --addr listens"},
		{"the other family's wildcard", "91.1.1.1:9000", ownAddr(v4, nil), "[::]:9000", true, "no --addr listens"},
		{"a system that cannot tell", "91.1.1.1:9000", ownAddr(v4, nil), "0.0.0.0:9000", false, "this system answers from another"},
		{"deprecated", "[2a00::1]:9000", ownAddr(v6, func(a *hostaddr.Addr) { a.Deprecated = true }), "[::]:9000", true, "deprecated"},
		{"temporary", "[2a00::1]:9000", ownAddr(v6, func(a *hostaddr.Addr) { a.Temporary = true }), "[::]:9000", true, "temporary"},
		{"tentative", "[2a00::1]:9000", ownAddr(v6, func(a *hostaddr.Addr) { a.Tentative = true }), "[::]:9000", true, "another host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(endpointWarnings([]netip.AddrPort{netip.MustParseAddrPort(c.named)},
				[]listener{{netip.MustParseAddrPort(c.listen), c.knows}}, c.m), "\n")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("warning %q, want %q", got, c.want)
			}
		})
	}
}
