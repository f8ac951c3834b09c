package load

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

func TestLocal(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "127.9.8.7": true, "::1": true, "10.1.2.3": true, "172.16.0.1": true, "172.31.255.255": true,
		"192.168.0.1": true, "169.254.1.1": true, "fe80::1": true, "fc00::1": true, "fd12::1": true, "::ffff:10.0.0.1": true,
		"8.8.8.8": false, "172.32.0.1": false, "172.15.0.1": false, "100.64.0.1": false, "192.169.0.1": false, "11.0.0.1": false,
		"2001:db8::1": false, "2600::1": false, "::ffff:8.8.8.8": false, "0.0.0.0": false, "::": false,
	} {
		if got := Local(netip.MustParseAddr(text)); got != want {
			t.Errorf("Local(%s) = %v", text, got)
		}
	}
}

// target makes one at an address.
func target(addr string) Target {
	key, _ := enr.ParsePrivateKeyHex(strings.Repeat("05", 32))
	return Target{ID: key.ID(), PublicKey: key.PublicKey(), Addr: netip.MustParseAddrPort(addr)}
}

func TestParseTarget(t *testing.T) {
	key, err := enr.ParsePrivateKeyHex(strings.Repeat("05", 32))
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	sign := func(b *enr.Builder) string {
		r, err := b.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return r.String()
	}
	enode := func(host string) string {
		s := enr.Enode{PublicKey: key.PublicKey(), Host: "placeholder", TCP: 30303, UDP: 9000}.String()
		return strings.Replace(s, "placeholder", host, 1)
	}
	both := sign(enr.NewBuilder().SetIP(v4).SetUDP(9000).SetIP(v6).SetUDP6(9006))
	for _, c := range []struct {
		name, text string
		ipv6       bool
		want       string
		err        error
	}{
		{"IPv4", sign(enr.NewBuilder().SetIP(v4).SetUDP(9000)), false, "127.0.0.1:9000", nil},
		{"IPv4 though IPv6 is preferred", sign(enr.NewBuilder().SetIP(v4).SetUDP(9000)), true, "127.0.0.1:9000", nil},
		{"IPv6", sign(enr.NewBuilder().SetIP(v6).SetUDP6(9006)), false, "[::1]:9006", nil},
		{"both", both, false, "127.0.0.1:9000", nil},
		{"both, IPv6", both, true, "[::1]:9006", nil},
		{"no address", sign(enr.NewBuilder()), false, "", ErrNoAddress},
		{"enode", enode("127.0.0.1"), false, "127.0.0.1:9000", nil},
		{"enode IPv6", enode("[::1]"), false, "[::1]:9000", nil},
		{"host name", enode("localhost"), false, "", ErrHostName},
		{"nonsense", "nonsense", false, "", enr.ErrText},
		{"bad enode", "enode://1234@127.0.0.1:1", false, "", enr.ErrEnode},
	} {
		got, err := ParseTarget(c.text, c.ipv6)
		if c.err != nil && err == nil || c.err == nil && err != nil || c.err != nil && c.name != "nonsense" && !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		} else if err == nil && (got.Addr.String() != c.want || got.ID != key.ID() || got.PublicKey != key.PublicKey()) {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
}

func TestConfig(t *testing.T) {
	good := func() Config { return Config{Target: target("127.0.0.1:9000"), Mix: Only(Ping)} }
	for name, c := range map[string]struct {
		change func(*Config)
		want   error
	}{
		"good":                     {func(c *Config) {}, nil},
		"private":                  {func(c *Config) { c.Target = target("10.0.0.1:1") }, nil},
		"public":                   {func(c *Config) { c.Target = target("8.8.8.8:1") }, ErrPublic},
		"public IPv6":              {func(c *Config) { c.Target = target("[2001:db8::1]:1") }, ErrPublic},
		"public in IPv6 form":      {func(c *Config) { c.Target = target("[::ffff:8.8.8.8]:1") }, ErrPublic},
		"own public":               {func(c *Config) { c.Target, c.Public = target("8.8.8.8:1"), true }, nil},
		"wildcard":                 {func(c *Config) { c.Target, c.Public = target("0.0.0.0:1"), true }, ErrNoAddress},
		"multicast":                {func(c *Config) { c.Target, c.Public = target("224.0.0.1:1"), true }, ErrNoAddress},
		"broadcast":                {func(c *Config) { c.Target, c.Public = target("255.255.255.255:1"), true }, ErrNoAddress},
		"port 0":                   {func(c *Config) { c.Target = target("127.0.0.1:0") }, ErrNoAddress},
		"no target":                {func(c *Config) { c.Target = Target{} }, ErrNoAddress},
		"no kind":                  {func(c *Config) { c.Mix = Mix{} }, ErrConfig},
		"negative weight":          {func(c *Config) { c.Mix[Talk] = -1 }, ErrConfig},
		"rate and window":          {func(c *Config) { c.Rate, c.Window = 1, 1 }, ErrConfig},
		"negative rate":            {func(c *Config) { c.Rate = -1 }, ErrConfig},
		"no rate":                  {func(c *Config) { c.Rate = math.NaN() }, ErrConfig},
		"huge rate":                {func(c *Config) { c.Rate = math.Inf(1) }, ErrConfig},
		"rate above the bound":     {func(c *Config) { c.Rate = MaxRate + 1 }, ErrConfig},
		"huge window":              {func(c *Config) { c.Window = MaxWindow + 1 }, ErrConfig},
		"window below workers":     {func(c *Config) { c.Window, c.Workers = 2, 3 }, ErrConfig},
		"identities":               {func(c *Config) { c.Identities = MaxIdentities + 1 }, ErrConfig},
		"fewer than workers":       {func(c *Config) { c.Identities, c.Workers = 2, 3 }, ErrConfig},
		"negative identities":      {func(c *Config) { c.Identities = -5 }, ErrConfig},
		"junk-ids":                 {func(c *Config) { c.JunkIDs = -1 }, ErrConfig},
		"workers":                  {func(c *Config) { c.Workers = MaxWorkers + 1 }, ErrConfig},
		"gso-batch":                {func(c *Config) { c.GSOBatch = 64 }, ErrConfig},
		"timeout":                  {func(c *Config) { c.Timeout = time.Hour }, ErrConfig},
		"negative timeout":         {func(c *Config) { c.Timeout = -1 }, ErrConfig},
		"distance":                 {func(c *Config) { c.Distances = []uint{257} }, ErrConfig},
		"talk":                     {func(c *Config) { c.TalkSize = MaxTalk }, ErrConfig},
		"negative talk":            {func(c *Config) { c.TalkSize = -1 }, ErrConfig},
		"short junk":               {func(c *Config) { c.JunkSize = 87 }, ErrConfig},
		"long junk":                {func(c *Config) { c.JunkSize = 1281 }, ErrConfig},
		"source of another family": {func(c *Config) { c.Sources = []netip.Addr{netip.IPv6Loopback()} }, ErrConfig},
		"no source":                {func(c *Config) { c.Sources = make([]netip.Addr, 1) }, ErrConfig},
		"too few sockets":          {func(c *Config) { c.Sources, c.Sockets = LoopbackSources(3), 2 }, ErrConfig},
		"echo junk":                {func(c *Config) { c.Mix, c.Echo = Only(Junk), []int{100} }, ErrConfig},
		"echo sizes":               {func(c *Config) { c.Echo = []int{10} }, ErrConfig},
		"form":                     {func(c *Config) { c.Handshake = 9 }, ErrConfig},
		"repeated junk":            {func(c *Config) { c.RepeatJunk = true }, ErrConfig},
		"negative trip":            {func(c *Config) { c.Trip = -1 }, ErrConfig},
		"long trip":                {func(c *Config) { c.Trip = time.Hour }, ErrConfig},
		"prepare window":           {func(c *Config) { c.PrepareWindow = -1 }, ErrConfig},
		"seeded identities":        {func(c *Config) { c.SessionSeed, c.Identities = 1, MaxSeeded+1 }, ErrConfig},
		"buffer":                   {func(c *Config) { c.Buffer = -1 }, ErrConfig},
	} {
		cfg := good()
		c.change(&cfg)
		got, err := cfg.withDefaults()
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil && (got.Sockets < 1 || got.GSOBatch < 1 || got.Timeout <= 0 || len(got.Sources) == 0 || got.Window < 1 && got.Rate == 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, p := range []Plan{{}, {For: -1}, {For: 25 * time.Hour}, {For: 1, Every: -1}} {
		if _, err := p.withDefaults(); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestMix(t *testing.T) {
	for text, want := range map[string]Mix{
		"ping": {1}, "junk": {0, 0, 0, 0, 1}, "ping=70,findnode=20,talk=9,handshake=1": {70, 20, 9, 1}, "talk=3": {0, 0, 3},
	} {
		if m, err := ParseMix(text); err != nil || m != want {
			t.Errorf("%q: %v, %v", text, m, err)
		} else if again, err := ParseMix(m.String()); err != nil || again.kinds() != m.kinds() {
			t.Errorf("%q: as text %q, %v", text, m, err)
		}
	}
	for _, text := range []string{"", ",", "ping=", "ping=0", "ping=-1", "ping=x", "ping=1,ping=1", "pong", "ping=1000001", "ping=1,"} {
		if m, err := ParseMix(text); !errors.Is(err, ErrMix) {
			t.Errorf("%q: %v, %v", text, m, err)
		}
	}
	// Any stretch has each kind by its weight, give or take one.
	d := picker{mix: Mix{70, 20, 9, 0, 1}}
	var got Mix
	for i := range 1000 {
		got[d.next()]++
		for k, w := range d.mix {
			if want := float64((i+1)*w) / 100; math.Abs(float64(got[k])-want) > 1.5 {
				t.Fatalf("after %d: %v of %v, want %.1f", i+1, got[k], Kind(k), want)
			}
		}
	}
	for f := range HandshakeForm(len(formNames)) {
		if g, err := ParseHandshakeForm(f.String()); err != nil || g != f {
			t.Errorf("%v: %v, %v", f, g, err)
		}
	}
	if _, err := ParseHandshakeForm("best"); err == nil {
		t.Error("a form that does not exist")
	}
}

func TestLoopbackSources(t *testing.T) {
	list := LoopbackSources(MaxSockets)
	seen := map[netip.Addr]bool{}
	for _, a := range list {
		b := a.As4()
		if !a.IsLoopback() || seen[a] || b[3] == 0 || b[3] == 255 {
			t.Fatalf("%v", a)
		}
		seen[a] = true
	}
	if !slices.IsSortedFunc(list, netip.Addr.Compare) || list[0].String() != "127.1.0.1" || list[254].String() != "127.1.1.1" {
		t.Errorf("begins with %v", list[:300])
	}
}

// A schedule keeps its rate however long it is, and workers share it without falling together.
func TestPace(t *testing.T) {
	c := &Config{Rate: 3000, Workers: 3}
	at := map[time.Duration]int{}
	for worker := range 3 {
		p := newSchedule(c, worker, nil)
		if n := p.until(time.Second); n != 1000 {
			t.Errorf("worker %d: %d until a second", worker, n)
		}
		var all []time.Duration
		for now := time.Duration(0); now < 100*time.Second; now += 100 * time.Millisecond {
			all = append(all, p.take(make([]time.Duration, 0, 256), now-1, math.MaxUint64)...)
		}
		all = append(all, p.take(make([]time.Duration, 0, 256), 100*time.Second-1, math.MaxUint64)...)
		if len(all) != 100_000 || !slices.IsSorted(all) {
			t.Errorf("worker %d: %d requests in 100 s", worker, len(all))
		}
		for _, d := range all {
			at[d]++
		}
	}
	if len(at) != 300_000 {
		t.Errorf("%d different times of 300,000", len(at))
	}
	p := newSchedule(c, 0, nil)
	if l := p.take(make([]time.Duration, 0, 10), time.Second, math.MaxUint64); len(l) != 10 || l[9] != 9*time.Millisecond {
		t.Errorf("a late worker gets %v", l)
	}
	if l := p.take(make([]time.Duration, 0, 10), time.Second, 3); len(l) != 3 || l[0] != 10*time.Millisecond {
		t.Errorf("and then %v", l)
	}
}

func TestHistogram(t *testing.T) {
	var empty *Histogram
	if empty.Count() != 0 || empty.Max() != 0 || empty.Quantile(0.5) != 0 || empty.Mean() != 0 || empty.over(0) != 0 || empty.bars() != nil {
		t.Error("the nil histogram is not empty")
	}
	h := NewHistogram()
	h.Add(nil)
	for i := range 1000 {
		h.Record(time.Duration(i+1)*time.Millisecond, 1)
	}
	near := func(got, want time.Duration) bool {
		return math.Abs(float64(got-want)) <= float64(want)/500
	}
	if !near(h.Quantile(0.5), 500*time.Millisecond) || !near(h.Quantile(0.99), 990*time.Millisecond) || !near(h.Max(), time.Second) || !near(h.Mean(), 500500*time.Microsecond) {
		t.Errorf("p50 %v, p99 %v, max %v, mean %v", h.Quantile(0.5), h.Quantile(0.99), h.Max(), h.Mean())
	}
	if n := h.over(900 * time.Millisecond); n < 98 || n > 101 {
		t.Errorf("%d over 900 ms", n)
	}
	sum := int64(0)
	for _, b := range h.bars() {
		sum += b.count
	}
	if sum != 1000 || h.Count() != 1000 {
		t.Errorf("%d in bars, %d counted", sum, h.Count())
	}
	h.Record(time.Hour, 2)
	h.Record(-time.Second, 1)
	if h.Count() != 1003 || !near(h.Max(), longestLatency) {
		t.Errorf("out of range: %d, max %v", h.Count(), h.Max())
	}
	if h.Reset(); h.Count() != 0 {
		t.Error("not empty after Reset")
	}
}
