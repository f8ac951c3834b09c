package enr

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/rlp"
)

// example is the record of EIP-778.
var example = func() (v struct {
	Text       string
	PrivateKey string `json:"private_key"`
	NodeID     string `json:"node_id"`
	IP         string
	Seq        uint64
	UDP        uint16
}) {
	raw, err := os.ReadFile("testdata/eip778.json")
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		panic(err)
	}
	return v
}()

// seeded returns a reproducible source of keys.
func seeded(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func testKey(t testing.TB, seed byte) *PrivateKey {
	t.Helper()
	k, err := GenerateKey(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// testRecord returns a signed record with every key that enr.md defines.
func testRecord(t testing.TB, seed byte) *Record {
	t.Helper()
	r, err := NewBuilder().SetSeq(uint64(seed)).
		SetIP(netip.MustParseAddr("192.0.2.1")).SetIP(netip.MustParseAddr("2001:db8::1")).
		SetUDP(9000).SetUDP6(9090).SetTCP(9001).SetTCP6(9091).SetQUIC(9002).
		SetBytes("eth2", []byte("sixteen bytes...")).Sign(testKey(t, seed))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// liveRecords returns records seen on the public networks.
func liveRecords(t testing.TB) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/live-enrs.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(raw))
}

// str, num and list encode RLP, from which tests build records.
func str(s string) string { return string(rlp.AppendString(nil, []byte(s))) }
func num(v uint64) string { return string(rlp.AppendUint64(nil, v)) }
func list(elements ...string) string {
	p := strings.Join(elements, "")
	return string(rlp.AppendListHeader(nil, len(p))) + p
}

func TestExampleRecord(t *testing.T) {
	r, err := ParseText(example.Text)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := ParseID(example.NodeID); err != nil || r.ID() != want {
		t.Errorf("node ID %v, want %v (%v)", r.ID(), want, err)
	}
	if r.Seq() != example.Seq {
		t.Errorf("seq %d", r.Seq())
	}
	want := netip.AddrPortFrom(netip.MustParseAddr(example.IP), example.UDP)
	if got, ok := r.UDPEndpoint4(); !ok || got != want {
		t.Errorf("endpoint %v, %v", got, ok)
	}
	if r.String() != example.Text {
		t.Errorf("text %s", r)
	}
	// RFC 6979 makes signatures reproducible, so even the signature must match.
	k, err := ParsePrivateKeyHex(example.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	built, err := NewBuilder().SetSeq(1).SetIP(want.Addr()).SetUDP(want.Port()).Sign(k)
	if err != nil {
		t.Fatal(err)
	}
	if !built.Equal(r.View()) {
		t.Errorf("built  %x\nparsed %x", built.Bytes(), r.Bytes())
	}
}

func TestLiveRecords(t *testing.T) {
	texts := liveRecords(t)
	if len(texts) != 49 {
		t.Fatalf("%d records", len(texts))
	}
	for i, text := range texts {
		r, err := ParseText(text)
		if err != nil {
			t.Errorf("line %d: %v", i+1, err)
			continue
		}
		if r.String() != text {
			t.Errorf("line %d: writes back as %s", i+1, r)
		}
		if _, ok := r.UDPEndpoint4(); !ok {
			t.Errorf("line %d: no IPv4 endpoint", i+1)
		}
		if id, err := r.View().NodeID(); err != nil || id != r.ID() {
			t.Errorf("line %d: node ID %v, %v", i+1, id, err)
		}
	}
}

func TestAccessors(t *testing.T) {
	r := testRecord(t, 7)
	if pub, ok := r.PublicKey(); !ok || pub != testKey(t, 7).PublicKey() {
		t.Errorf("public key %x, %v", pub, ok)
	}
	if got := string(r.IdentityScheme()); got != "v4" {
		t.Errorf("scheme %q", got)
	}
	for name, c := range map[string]struct {
		get  func() (netip.AddrPort, bool)
		want string
	}{
		"udp4": {r.UDPEndpoint4, "192.0.2.1:9000"},
		"udp6": {r.UDPEndpoint6, "[2001:db8::1]:9090"},
		"tcp4": {r.TCPEndpoint4, "192.0.2.1:9001"},
		"tcp6": {r.TCPEndpoint6, "[2001:db8::1]:9091"},
	} {
		if got, ok := c.get(); !ok || got.String() != c.want {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	if p, ok := r.QUIC(); !ok || p != 9002 {
		t.Errorf("quic %d, %v", p, ok)
	}
	if _, ok := r.QUIC6(); ok {
		t.Error("quic6 without being there")
	}
	if value, ok := r.Get("eth2"); !ok || string(value) != str("sixteen bytes...") {
		t.Errorf("eth2 = %x, %v", value, ok)
	}
	for _, absent := range []string{"", "eth", "eth3", "zz", "ip5"} {
		if value, ok := r.Get(absent); ok {
			t.Errorf("%q = %x", absent, value)
		}
	}
	var keys []string
	for k, value := range r.Pairs() {
		keys = append(keys, string(k))
		if got, ok := r.Get(string(k)); !ok || !bytes.Equal(got, value) {
			t.Errorf("%s: Pairs %x, Get %x", k, value, got)
		}
	}
	if got := strings.Join(keys, " "); got != "eth2 id ip ip6 quic secp256k1 tcp tcp6 udp udp6" {
		t.Errorf("keys %s", got)
	}
}

// TestPortFallback: without its own ports IPv6 uses those of IPv4 (enr.md, Record Structure).
func TestPortFallback(t *testing.T) {
	r, err := NewBuilder().SetIP(netip.MustParseAddr("2001:db8::1")).SetUDP(1).SetTCP(2).Sign(testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := r.UDPEndpoint6(); !ok || got.Port() != 1 {
		t.Errorf("udp %v, %v", got, ok)
	}
	if got, ok := r.TCPEndpoint6(); !ok || got.Port() != 2 {
		t.Errorf("tcp %v, %v", got, ok)
	}
	if got, ok := r.UDPEndpoint4(); ok {
		t.Errorf("IPv4 endpoint %v", got)
	}
	// IPv4 does not use those of IPv6.
	if r, err = r.Edit().Delete("udp").SetUDP6(3).SetIP(netip.MustParseAddr("192.0.2.1")).Sign(testKey(t, 1)); err != nil {
		t.Fatal(err)
	}
	if got, ok := r.UDPEndpoint4(); ok {
		t.Errorf("IPv4 endpoint %v", got)
	}
}

func TestZeroView(t *testing.T) {
	var v View
	if err := v.Verify(); err != ErrScheme {
		t.Errorf("Verify: %v", err)
	}
	if _, err := v.NodeID(); err != ErrScheme {
		t.Errorf("NodeID: %v", err)
	}
	if _, ok := v.PublicKey(); ok {
		t.Error("has a public key")
	}
	if _, ok := v.Get("id"); ok {
		t.Error("has an id")
	}
	if _, ok := v.UDPEndpoint4(); ok {
		t.Error("has an endpoint")
	}
	if len(v.Signature())+len(v.Bytes())+len(v.IdentityScheme()) != 0 {
		t.Error("has bytes")
	}
	for range v.Pairs() {
		t.Error("has pairs")
	}
}

func TestOwnCopies(t *testing.T) {
	b := bytes.Clone(testRecord(t, 3).Bytes())
	r, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(b)
	clear(b)
	if !bytes.Equal(r.Bytes(), want) {
		t.Error("record shares the caller's bytes")
	}
	if cap(r.Bytes()) != len(r.Bytes()) {
		t.Error("an append would write into memory of the record")
	}
}

func TestNoAllocation(t *testing.T) {
	r := testRecord(t, 5)
	b := bytes.Clone(r.Bytes())
	odd := signedWith(t, "udp6", num(0)).Bytes()
	unsorted := []byte(list(str(strings.Repeat("s", 64)), num(1), str("b"), num(1), str("a"), num(1)))
	for name, f := range map[string]func(){
		"ParseView": func() { ParseView(b) },
		"rejection": func() { ParseView(unsorted) },
		"odd entry": func() {
			v, _ := ParseView(odd)
			v.UDPEndpoint6()
			v.Syncnets()
			v.CustodyGroupCount()
			v.NextForkDigest()
			v.Check("udp")
			v.Check("absent")
		},
		"accessors": func() {
			v, _, _ := SplitView(b)
			v.UDPEndpoint4()
			v.UDPEndpoint6()
			v.TCPEndpoint4()
			v.TCPEndpoint6()
			v.QUIC()
			v.PublicKey()
			v.Signature()
			v.Seq()
			v.Get("zz")
			for k, value := range v.Pairs() {
				_, _ = k, value
			}
		},
		"NodeID":      func() { r.View().NodeID() },
		"LogDistance": func() { LogDistance(r.ID(), ID{}) },
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkParseView(b *testing.B) {
	record := testRecord(b, 1).Bytes()
	b.ReportAllocs()
	b.SetBytes(int64(len(record)))
	for b.Loop() {
		if _, err := ParseView(record); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	v := testRecord(b, 1).View()
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Verify(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNodeID(b *testing.B) {
	v := testRecord(b, 1).View()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.NodeID(); err != nil {
			b.Fatal(err)
		}
	}
}
