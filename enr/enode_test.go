package enr

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/curve"
)

// point returns a public key in the form of enode URLs.
func point(t testing.TB) string {
	t.Helper()
	pub := testKey(t, 1).PublicKey()
	xy, err := curve.Default().Decompress(&pub)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(xy[:])
}

func TestEnode(t *testing.T) {
	key := point(t)
	for _, c := range []struct {
		endpoint, host, addr string
		tcp, udp             uint16
		out                  string // if it differs
	}{
		{"192.0.2.1:30303", "192.0.2.1", "192.0.2.1", 30303, 30303, ""},
		{"192.0.2.1:30303?discport=30301", "192.0.2.1", "192.0.2.1", 30303, 30301, ""},
		{"192.0.2.1:0?discport=30301", "192.0.2.1", "192.0.2.1", 0, 30301, ""},
		{"192.0.2.1:30303?discport=0", "192.0.2.1", "192.0.2.1", 30303, 0, ""},
		{"192.0.2.1:30303?discport=30303", "192.0.2.1", "192.0.2.1", 30303, 30303, "192.0.2.1:30303"},
		{"[2001:db8::1]:9", "2001:db8::1", "2001:db8::1", 9, 9, ""},
		{"[2001:DB8:0::1]:9", "2001:db8::1", "2001:db8::1", 9, 9, "[2001:db8::1]:9"},
		{"[::ffff:192.0.2.1]:9", "192.0.2.1", "192.0.2.1", 9, 9, "192.0.2.1:9"},
		{"boot-1.example.org:9", "boot-1.example.org", "", 9, 9, ""},
		{"localhost:9?discport=8", "localhost", "", 9, 8, ""},
	} {
		in := "enode://" + key + "@" + c.endpoint
		if c.out == "" {
			c.out = c.endpoint
		}
		e, err := ParseEnode(in)
		if err != nil {
			t.Errorf("%s: %v", c.endpoint, err)
			continue
		}
		addr, _ := netip.ParseAddr(c.addr)
		if e.Host != c.host || e.Addr != addr || e.TCP != c.tcp || e.UDP != c.udp || e.PublicKey != testKey(t, 1).PublicKey() {
			t.Errorf("%s: %+v", c.endpoint, e)
		}
		if got := e.String(); got != "enode://"+key+"@"+c.out {
			t.Errorf("%s: writes back as %s", c.endpoint, got)
		}
		if id, err := e.ID(); err != nil || id != testKey(t, 1).ID() {
			t.Errorf("%s: ID %v, %v", c.endpoint, id, err)
		}
		if ep, ok := e.UDPEndpoint(); ok != (c.addr != "" && c.udp != 0) || ok && ep != netip.AddrPortFrom(addr, c.udp) {
			t.Errorf("%s: endpoint %v, %v", c.endpoint, ep, ok)
		}
	}
}

func TestEnodeRejects(t *testing.T) {
	key := point(t)
	at := "enode://" + key + "@"
	flip := map[byte]string{'0': "1"}[key[127]]
	if flip == "" {
		flip = "0"
	}
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"empty":             {"", ErrEnode},
		"other scheme":      {"enr://" + key + "@1.2.3.4:5", ErrEnode},
		"no endpoint":       {"enode://" + key, ErrEnode},
		"key of 126 digits": {"enode://" + key[2:] + "@1.2.3.4:5", ErrEnode},
		"key not hex":       {"enode://" + key[:127] + "g@1.2.3.4:5", ErrEnode},
		"key off the curve": {"enode://" + key[:127] + flip + "@1.2.3.4:5", ErrPublicKey},
		"key zero":          {"enode://" + strings.Repeat("0", 128) + "@1.2.3.4:5", ErrPublicKey},
		"no port":           {at + "1.2.3.4", ErrEnode},
		"no host":           {at + ":5", ErrEnodeHost},
		"octet 256":         {at + "1.2.3.256:5", ErrEnodeHost},
		"three octets":      {at + "1.2.3:5", ErrEnodeHost},
		"ip6 without []":    {at + "2001:db8::1:5", ErrEnodeHost},
		"ip4 in []":         {at + "[1.2.3.4]:5", ErrEnodeHost},
		"zone":              {at + "[fe80::1%eth0]:5", ErrEnodeHost},
		"[ alone":           {at + "[::1:5", ErrEnodeHost},
		"label too long":    {at + strings.Repeat("a", 64) + ":5", ErrEnodeHost},
		"name too long":     {at + strings.Repeat("a.", 127) + "org:5", ErrEnodeHost},
		"empty label":       {at + "a..b:5", ErrEnodeHost},
		"leading hyphen":    {at + "-a:5", ErrEnodeHost},
		"bad character":     {at + "a/b:5", ErrEnodeHost},
		"user twice":        {at + "a@b:5", ErrEnodeHost},
		"empty port":        {at + "1.2.3.4:", ErrEnodePort},
		"signed port":       {at + "1.2.3.4:+5", ErrEnodePort},
		"port too large":    {at + "1.2.3.4:65536", ErrEnodePort},
		"both ports 0":      {at + "1.2.3.4:0", ErrEnodePort},
		"discport alone":    {at + "1.2.3.4:5?discport", ErrEnode},
		"discport empty":    {at + "1.2.3.4:5?discport=", ErrEnodePort},
		"other query":       {at + "1.2.3.4:5?port=6", ErrEnode},
		"second query":      {at + "1.2.3.4:5?discport=6&a=b", ErrEnodePort},
		"path":              {at + "1.2.3.4:5/", ErrEnodePort},
	} {
		if e, err := ParseEnode(c.in); err != c.want || e != (Enode{}) {
			t.Errorf("%s: %+v, %v, want %v", name, e, err, c.want)
		}
	}
	var bad Enode
	if _, err := bad.MarshalText(); err != ErrPublicKey {
		t.Errorf("zero Enode: %v", err)
	}
}

func TestEnodeOfRecord(t *testing.T) {
	e, ok := testRecord(t, 1).Enode()
	if want := "@192.0.2.1:9001?discport=9000"; !ok || !strings.HasSuffix(e.String(), want) {
		t.Errorf("%v, %v", e, ok)
	}
	r, err := testRecord(t, 1).Edit().Delete("ip").Sign(testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	e, ok = r.Enode()
	if want := "@[2001:db8::1]:9091?discport=9090"; !ok || !strings.HasSuffix(e.String(), want) {
		t.Errorf("%v, %v", e, ok)
	}
	b, err := json.Marshal(e)
	var back Enode
	if err2 := json.Unmarshal(b, &back); err != nil || err2 != nil || back != e {
		t.Errorf("%s: %v, %v", b, err, err2)
	}
	if r, err = r.Edit().Delete("ip6").Sign(testKey(t, 1)); err != nil {
		t.Fatal(err)
	}
	if e, ok := r.Enode(); ok {
		t.Errorf("without an address: %v", e)
	}
}

// FuzzEnode: an accepted URL encodes to a URL with the same meaning.
func FuzzEnode(f *testing.F) {
	key := point(f)
	for _, s := range []string{"1.2.3.4:5", "[::1]:5?discport=6", "[::ffff:1.2.3.4]:5", "a.b-c:0?discport=1", "1.2.3:4"} {
		f.Add("enode://" + key + "@" + s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseEnode(s)
		if err != nil {
			return
		}
		if again, err := ParseEnode(e.String()); err != nil || again != e {
			t.Fatalf("%q: %+v, then %+v, %v", s, e, again, err)
		}
		if _, err := e.ID(); err != nil || e.Host == "" || e.TCP == 0 && e.UDP == 0 {
			t.Fatalf("%q: %+v, %v", s, e, err)
		}
	})
}
