package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

func decode[T any](t *testing.T, p *process, path string) (v T) {
	t.Helper()
	code, body := p.get(t, path)
	if code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, code, body)
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v in %s", path, err, body)
	}
	return v
}

// The pages show the identity, and the table with its inbound nodes.
func TestPages(t *testing.T) {
	t.Parallel()
	a := start(t, t.TempDir(), "--http", anyPort)
	b := start(t, t.TempDir(), "--bootnodes", a.record.String(), "--http", anyPort)
	for _, p := range []*process{a, b} {
		eventually(t, "node in the table", func() bool { return p.metric(t, "discv5_table_live_nodes") == 1 })
	}
	id := decode[identityView](t, a, "/eth/v1/node/identity").Data
	udp, _ := a.record.UDPEndpoint4()
	if want := fmt.Sprintf("/ip4/127.0.0.1/udp/%d/p2p/%s", udp.Port(), id.PeerID); id.ENR != a.record.String() || len(id.Discovery) != 1 || id.Discovery[0] != want {
		t.Errorf("identity %+v, want address %s", id, want)
	}
	if id.P2P == nil || len(id.P2P) != 0 || id.Metadata != (metadataView{"0", "0x0000000000000000", "0x00"}) {
		t.Errorf("identity %+v", id)
	}

	distance := enr.LogDistance(a.record.ID(), b.record.ID())
	for _, c := range []struct {
		p, other *process
		inbound  bool
	}{{a, b, true}, {b, a, false}} {
		view := decode[nodesView](t, c.p, "/nodes")
		if view.Total != 1 || len(view.Nodes) != 1 {
			t.Fatalf("nodes %+v", view)
		}
		eventually(t, "answer to the last check", func() bool { // one may be late
			view = decode[nodesView](t, c.p, "/nodes")
			return view.Nodes[0].Fails == 0
		})
		n := view.Nodes[0]
		end, _ := c.other.record.UDPEndpoint4()
		if n.ID != c.other.record.ID().String() || n.Distance != distance || n.Record != c.other.record.String() || n.Seq != c.other.record.Seq() ||
			n.Address != end.String() || n.UDP4 != end.String() || n.UDP6 != "" || n.State != "live" || n.Inbound != c.inbound || n.Checks < 1 {
			t.Errorf("node %+v", n)
		}
		for _, at := range []time.Time{n.Added, n.LastSeen} {
			if age := time.Since(at); age < -time.Second || age > patience {
				t.Errorf("a time of the node is %v ago", age)
			}
		}
		bv := decode[bucketsView](t, c.p, "/buckets")
		share := map[bool]float64{true: 1, false: 0}[c.inbound]
		if bv.Nodes != 1 || bv.Live != 1 || len(bv.Buckets) != 1 || bv.Buckets[0].Distance != distance || bv.Buckets[0].Live != 1 || bv.Buckets[0].InboundShare != share {
			t.Errorf("buckets %+v", bv)
		}
	}
	for query, total := range map[string]int{
		fmt.Sprint("distance=", distance): 1, fmt.Sprint("distance=", 257-distance): 0, "state=live": 1, "state=silent": 0, "limit=1": 1, "state=live&limit=5": 1,
	} {
		if v := decode[nodesView](t, a, "/nodes?"+query); v.Total != total || v.Nodes == nil {
			t.Errorf("/nodes?%s: %+v", query, v)
		}
	}
	b.stop(t)
	a.stop(t)
}

// A request for something else gets one line and the right code.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--http", anyPort)
	p.get(t, "/healthz")
	for _, c := range []struct {
		method, path string
		code         int
		want         string
	}{
		{"GET", "/nodes?distance=999", 400, `distance="999": want a number from 1 to 256`},
		{"GET", "/nodes?distance=0", 400, "1 to 256"},
		{"GET", "/nodes?limit=-1", 400, "limit"},
		{"GET", "/nodes?distance=1&distance=2", 400, "2 times"},
		{"GET", "/nodes?state=dead", 400, "want live"},
		{"GET", "/nodes?dist=1", 400, "want distance, limit or state"},
		{"GET", "/nodes?%zz", 400, "query"},
		{"GET", "/nodes?" + strings.Repeat("x", 200) + "=%0a%3Cb%3E", 400, "unknown parameter"},
		{"GET", "/buckets?distance=1", 400, "no parameters"},
		{"GET", "/status?x=1", 400, "/status takes no parameters"},
		{"GET", "/forks?x=1", 400, "/forks takes no parameters"},
		{"GET", "/address?x=1", 400, "/address takes no parameters"},
		{"GET", "/eth/v1/node/identity?x=1", 400, "no parameters"},
		{"POST", "/nodes", 405, ""},
		{"GET", "/metrics", 404, ""}, // which --metrics serves
		{"DELETE", "/buckets", 405, ""},
		{"PUT", "/eth/v1/node/identity", 405, ""},
		{"GET", "/eth/v1/node/peers", 404, ""},
		{"GET", "/debug/pprof/", 404, ""},
		{"GET", "/debug/pprof/heap", 404, ""},
		{"HEAD", "/nodes", 200, ""},
	} {
		req, err := http.NewRequest(c.method, "http://"+p.http+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.code || !strings.Contains(string(body), c.want) || c.code >= 400 && strings.Count(string(body), "\n") != 1 || len(body) > 300 {
			t.Errorf("%s %s: %d %q", c.method, c.path, resp.StatusCode, body)
		}
		if c.code == 405 && resp.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
	}
	if resp, err := http.Get("http://" + p.http + "/nodes"); err != nil || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", err)
	}
	req, _ := http.NewRequest("GET", "http://"+p.http+"/healthz", nil)
	req.Header.Set("X", strings.Repeat("x", 2*httpHeaders))
	// In one write: the server closes the connection half a second after the response.
	client := http.Client{Transport: &http.Transport{WriteBufferSize: 4 * httpHeaders}}
	if resp, err := client.Do(req); err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers above the bound: %v", err)
	}
	p.stop(t)
}

// --pprof serves profiles, but not the command line, which may hold the private key.
func TestPprof(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--http", anyPort, "--pprof", "--nodekeyhex", hexKey)
	for path, want := range map[string]int{"": 200, "heap?debug=1": 200, "goroutine?debug=1": 200, "trace?seconds=0.1": 200, "cmdline": 404, "nothing": 404} {
		code, body := p.get(t, "/debug/pprof/"+path)
		if code != want || strings.Contains(body, hexKey) {
			t.Errorf("%s: %d %.100q", path, code, body)
		}
	}
	p.stop(t)
}

// TestPprofHosts: a request under another name that resolves to a loopback address, such as that of
// a hostile page in a browser, gets no profile.
func TestPprofHosts(t *testing.T) {
	for host, want := range map[string]int{
		"localhost:6060": 200, "127.0.0.1:6060": 200, "[::1]:6060": 200, "[::1]": 200, "127.0.0.1": 200, "localhost": 200,
		"example.org": 403, "example.org:6060": 403, "192.0.2.1:6060": 403, "localhost.example.org": 403, "": 403,
	} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Host = host
		local(func(http.ResponseWriter, *http.Request) {})(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
	p := start(t, t.TempDir(), "--http", anyPort, "--pprof")
	p.findHTTP(t)
	for _, path := range []string{"", "heap", "profile?seconds=1", "trace?seconds=1"} {
		r, err := http.NewRequest("GET", "http://"+p.http+"/debug/pprof/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "example.org"
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%q for another host: %d", path, resp.StatusCode)
		}
	}
	p.stop(t)
}

// The test vector for secp256k1 is from libp2p's specification of peer IDs.
func TestPeerID(t *testing.T) {
	pub, err := hex.DecodeString("037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99")
	if err != nil {
		t.Fatal(err)
	}
	if got := peerID([33]byte(pub)); got != "16Uiu2HAmLhLvBoYaoZfaMUKuibM6ac163GwKY74c5kiSLg5KvLpY" {
		t.Errorf("peer ID %s", got)
	}
}
