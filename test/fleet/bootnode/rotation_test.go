package bootnode

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// copyOver makes the files of one certificate those of another one, as a program that renews
// certificates does.
func (c certificate) copyOver(t testing.TB, to certificate) {
	t.Helper()
	replaceFile(t, c.file, to.file)
	replaceFile(t, c.key.file, to.key.file)
}

func replaceFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		if err = os.WriteFile(to+".new", b, 0o600); err == nil {
			err = os.Rename(to+".new", to)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRotation: certificates and credentials are replaced while a bootnode runs. It uses the new
// ones when it connects, and connects with them after SIGHUP. A mistake in them changes nothing.
func TestRotation(t *testing.T) {
	t.Parallel()
	whole := t // a server that a part starts lasts until the end
	dir := t.TempDir()
	// The server takes what ours signs, and then what next signs.
	ours, next := newAuthority(t, dir, "ours"), newAuthority(t, dir, "next")
	server, nextServer := ours.issue(t, "server", net.IPv4(127, 0, 0, 1)), next.issue(t, "next-server", net.IPv4(127, 0, 0, 1))
	client, admin := ours.issue(t, "client", nil), ours.issue(t, "admin", nil)
	renewed, nextClient := ours.issue(t, "renewed", nil), next.issue(t, "next-client", nil)
	authority := ours
	authority.file = dir + "/authority.pem"
	replaceFile(t, ours.file, authority.file)
	text := fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }\n", server.file, server.key.file, ours.file)
	c := natstest.Start(t, 1, text, nats.RootCAs(ours.file), nats.ClientCert(admin.file, admin.key.file))
	s := c.Servers[0]
	m := newMember(t, "m", strings.ReplaceAll(c.URLs(), "nats://", "tls://"), "--fleet-ca", authority.file, "--fleet-cert", client.file, "--fleet-key", client.key.file).start(t)
	m.joins(t)
	reloads := func(t *testing.T, metric string, want float64) {
		t.Helper()
		m.p.Signal(t, syscall.SIGHUP)
		proctest.Eventually(t, "reload", func() bool { return m.metric(t, metric) == want })
	}
	connections := func() float64 { return m.metric(t, "fleet_reconnects_total") }

	t.Run("nothing new", func(t *testing.T) {
		reloads(t, `reloads_total{result="ok"}`, 1)
		if n := connections(); n != 0 {
			t.Errorf("%v new connections", n)
		}
	})
	t.Run("SIGHUP", func(t *testing.T) {
		renewed.copyOver(t, client)
		m.p.Signal(t, syscall.SIGHUP)
		proctest.Eventually(t, "a new connection", func() bool { return connections() == 1 })
		m.joins(t)
	})
	t.Run("half replaced", func(t *testing.T) {
		replaceFile(t, nextClient.file, client.file) // its key is that of the old one
		reloads(t, `reloads_total{result="failed"}`, 1)
		m.logs(t, "settings were not reloaded", client.file)
		if n := connections(); n != 1 {
			t.Errorf("%v new connections", n-1)
		}
		// The server restarts meanwhile: the bootnode has its old certificate still.
		s.Kill(t)
		s.Start(whole)
		proctest.Eventually(t, "a new connection", func() bool { return connections() == 2 })
		m.logs(t, "those of before remain in use", client.file)
		m.joins(t)
	})
	t.Run("another authority", func(t *testing.T) {
		nextClient.copyOver(t, client)
		replaceFile(t, next.file, authority.file)
		s.Configure(t, server.file, nextServer.file)
		s.Configure(t, server.key.file, nextServer.key.file)
		s.Configure(t, ours.file, next.file)
		s.Kill(t)
		s.Start(whole)
		// Without SIGHUP: it reads the files when it connects.
		proctest.Eventually(t, "a new connection", func() bool { return connections() == 3 })
		m.joins(t)
	})
	m.keeps(t, append(client.key.secrets, nextClient.key.secrets...))
}

// TestRotatedCredentials is TestRotation for an NKey and for credentials of nsc.
func TestRotatedCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	user, nextUser := newSeed(t, dir, "user"), newSeed(t, dir, "next-user")
	operator := newOperator(t, dir)
	creds := operator.credentials(t, "user", operator.account, time.Time{})
	admin := operator.credentials(t, "admin", operator.account, time.Time{})
	for _, test := range []struct {
		name, config, flag string
		admin              nats.Option
		file               secret
		next               secret
		// the server accepts the next one only
		prepare func(t *testing.T, s *natstest.Server)
	}{
		{
			"NKey", fmt.Sprintf("authorization { users: [ { nkey: %s }, { user: admin, password: x } ] }\n", user.public), "--fleet-nkey",
			nats.UserInfo("admin", "x"), user, nextUser,
			func(t *testing.T, s *natstest.Server) {
				s.Configure(t, user.public, nextUser.public)
				s.P.Signal(t, syscall.SIGHUP)
			},
		},
		{
			"credentials", operator.config(), "--fleet-credentials", nats.UserCredentials(admin.file), creds,
			operator.credentials(t, "next", operator.account, time.Time{}), func(*testing.T, *natstest.Server) {},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := natstest.Start(t, 1, test.config, test.admin)
			m := newMember(t, "m", c.URLs(), test.flag, test.file.file).start(t)
			m.joins(t)
			// A seed where the credentials belong is not sent, and changes nothing.
			if err := os.WriteFile(test.file.file+".new", []byte("SUAJUNKJUNKJUNK"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(test.file.file+".new", test.file.file); err != nil {
				t.Fatal(err)
			}
			m.p.Signal(t, syscall.SIGHUP)
			proctest.Eventually(t, "a reload that fails", func() bool { return m.metric(t, `reloads_total{result="failed"}`) == 1 })
			if n := m.metric(t, "fleet_reconnects_total"); n != 0 {
				t.Errorf("%v new connections", n)
			}
			replaceFile(t, test.next.file, test.file.file)
			test.prepare(t, c.Servers[0])
			m.p.Signal(t, syscall.SIGHUP)
			proctest.Eventually(t, "a new connection", func() bool { return m.metric(t, "fleet_reconnects_total") >= 1 })
			m.joins(t)
			m.keeps(t, append(test.file.secrets, test.next.secrets...))
		})
	}
}
