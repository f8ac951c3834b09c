package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestS46Hosts: a page in a browser whose name resolves to a loopback address gets nothing.
func TestS46Hosts(t *testing.T) {
	const loopback4, loopback6, public = "127.0.0.1:6060", "[::1]:6060", "192.0.2.1:6060"
	for _, tt := range []struct {
		local, host string
		names       []string
		want        int
	}{
		{loopback4, "127.0.0.1:6060", nil, 200},
		{loopback4, "localhost:6060", nil, 200},
		{loopback4, "LOCALHOST", nil, 200},
		{loopback6, "[::1]:6060", nil, 200},
		{loopback6, "[::1]", nil, 200},
		{loopback4, "evil.example", nil, 403},
		{loopback4, "evil.example:6060", nil, 403},
		{loopback6, "evil.example:6060", nil, 403},
		{loopback4, "localhost.evil.example", nil, 403},
		{loopback4, "127.0.0.1.evil.example", nil, 403},
		{loopback4, "192.0.2.1", nil, 403},
		{loopback4, "", nil, 403},
		{loopback4, "boot.example:443", []string{"other.example", "Boot.Example"}, 200},
		{loopback4, "evil.example", []string{"boot.example"}, 403},
		{loopback4, "evil.example", []string{"*"}, 200},
		{public, "boot.example", nil, 200},
	} {
		t.Run(tt.local+" "+tt.host, func(t *testing.T) {
			local, err := net.ResolveTCPAddr("tcp", tt.local)
			if err != nil {
				t.Fatal(err)
			}
			r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
			r.Host = tt.host
			hostGuard(tt.names, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("%d, want %d", w.Code, tt.want)
			}
		})
	}
}

// TestS46Pages: every page of a bootnode is behind the check, even if it listens on all addresses.
func TestS46Pages(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{anyPort, "0.0.0.0:0"} {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			p := start(t, t.TempDir(), "--http", addr, "--metrics", addr, "--http-vhosts", "boot.example,other.example")
			p.http, p.metrics = anyPort, anyPort // have their ports found in the log
			p.findHTTP(t)
			for _, a := range []*string{&p.http, &p.metrics} {
				_, port, err := net.SplitHostPort(*a)
				if err != nil {
					t.Fatal(err)
				}
				*a = "127.0.0.1:" + port
			}
			for _, path := range []string{"/metrics", "/healthz", "/", "/status", "/history", "/enr", "/enode", "/address", "/nodes", "/buckets", "/eth/v1/node/identity"} {
				server := p.http
				if path == "/metrics" {
					server = p.metrics
				}
				if code, _ := p.get(t, path); code != http.StatusOK {
					t.Errorf("%s: %d", path, code)
				}
				for host, want := range map[string]int{"evil.example": 403, "boot.example": 200, "other.example:1": 200} {
					r, err := http.NewRequest("GET", "http://"+server+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.Host = host
					resp, err := http.DefaultClient.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if resp.StatusCode != want {
						t.Errorf("%s for %s: %d, want %d", path, host, resp.StatusCode, want)
					}
				}
			}
			p.stop(t)
		})
	}
}
