package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	// A seed where the credentials belong: the client must not send it as the JWT.
	bare := filepath.Join(dir, "bare")
	if err := os.WriteFile(bare, []byte("SUAsecretAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokenOnly := filepath.Join(dir, "token")
	if err := os.WriteFile(tokenOnly, []byte("-----BEGIN NATS USER JWT-----\na.secret.c\n------END NATS USER JWT------\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	nats := []string{"nats://localhost:4222"}
	for _, test := range []struct {
		name string
		cfg  Config
		want string // of the error; empty: none
	}{
		{"one", Config{Servers: nats}, ""},
		{"several", Config{Servers: []string{"nats://user:password@a:1", "tls://token@[::1]:2", "wss://b/path"}}, ""},
		{"no port", Config{Servers: []string{"nats://a"}}, ""},
		{"none", Config{}, "0 servers"},
		{"too many", Config{Servers: make([]string, MaxServers+1)}, "17 servers"},
		{"another scheme", Config{Servers: []string{"http://a:1"}}, "want nats://HOST:PORT"},
		{"no scheme", Config{Servers: []string{"localhost:4222"}}, "want nats://HOST:PORT"},
		{"no host", Config{Servers: []string{"nats://:4222"}}, "no host"},
		{"a path", Config{Servers: []string{"nats://a:1/x"}}, "more than user, host and port"},
		{"a bad port", Config{Servers: []string{"nats://user:secret@a:port"}}, "cannot parse the URL"},
		{"a password", Config{Servers: []string{"nats://user:secret@a:1?x=y"}}, "more than user"},
		{"two credentials", Config{Servers: nats, Credentials: junk, NKey: junk}, "both credentials and an NKey"},
		{"missing credentials", Config{Servers: nats, Credentials: missing}, "credentials"},
		{"junk as credentials", Config{Servers: nats, Credentials: junk}, "no JWT"},
		{"a seed as credentials", Config{Servers: nats, Credentials: bare}, "no JWT"},
		{"credentials without a seed", Config{Servers: nats, Credentials: tokenOnly}, "no nkey seed found"},
		{"missing NKey", Config{Servers: nats, NKey: missing}, "credentials"},
		{"junk as NKey", Config{Servers: nats, NKey: junk}, "NKey"},
		{"missing CA", Config{Servers: nats, CA: missing}, "authorities"},
		{"junk as CA", Config{Servers: nats, CA: junk}, "no certificate"},
		{"no key", Config{Servers: nats, Cert: junk}, "needs its key"},
		{"junk as key", Config{Servers: nats, Cert: junk, Key: junk}, "certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.cfg.Check()
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

// TestUnreachable: without a server, Open does not wait, calls fail early with a reason, and Close
// ends everything. No packet leaves this machine: nothing listens on the port.
func TestUnreachable(t *testing.T) {
	begin := time.Now()
	c, err := Open(Config{Servers: []string{"nats://127.0.0.1:9", "nats://[::1]:9"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.KeyValue(context.Background(), Bucket{Name: "b"}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("open a bucket: %v", err)
	}
	if took := time.Since(begin); took > time.Minute { // far more than a slow machine needs
		t.Errorf("this took %v", took)
	}
	for c.State().Err == "" || strings.Contains(c.State().Err, errStarting.Error()) {
		if time.Since(begin) > 2*time.Minute {
			t.Fatal("the state has no reason")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if s := c.State(); s.Connected || s.Server != "" {
		t.Errorf("state %+v", s)
	}
}
