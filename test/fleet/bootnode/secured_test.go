package bootnode

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// TestSecuredServer: a bootnode joins a fleet whose servers demand TLS or credentials with the
// right secret only. With another one or with none it runs without the fleet, and says why without
// saying the secret.
func TestSecuredServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, others := newAuthority(t, dir, "ours"), newAuthority(t, dir, "others")
	server := ours.issue(t, "server", net.IPv4(127, 0, 0, 1))
	elsewhere := ours.issue(t, "elsewhere", net.IPv4(127, 0, 0, 2))
	client, foreign := ours.issue(t, "client", nil), others.issue(t, "foreign", nil)
	user, unlisted := newSeed(t, dir, "user"), newSeed(t, dir, "unlisted")
	operator := newOperator(t, dir)
	good := operator.credentials(t, "good", operator.account, time.Time{})
	expired := operator.credentials(t, "expired", operator.account, time.Now().Add(-time.Hour))
	unknown := operator.credentials(t, "unknown", newAccount(t), time.Time{})
	stolen := operator.mismatch(t, "stolen")
	var silent []string
	for _, s := range []secret{client.key, foreign.key, user, unlisted, good, expired, unknown, stolen} {
		silent = append(silent, s.secrets...)
	}

	tlsConfig := func(c certificate, more string) string {
		return fmt.Sprintf("tls { cert_file: %q, key_file: %q%s }\n", c.file, c.key.file, more)
	}
	type attempt struct {
		name string
		args []string
		want string // part of the reason; empty: the bootnode joins
	}
	type trial struct {
		name string
		m    *member
		want string
	}
	var trials []trial
	for _, test := range []struct {
		name, scheme, config string
		admin                []nats.Option
		attempts             []attempt
	}{
		{
			"TLS", "nats", tlsConfig(server, ""), []nats.Option{nats.RootCAs(ours.file)},
			[]attempt{
				{"right", []string{"--fleet-ca", ours.file}, ""},
				{"missing", nil, "certificate signed by unknown authority"},
				{"wrong", []string{"--fleet-ca", others.file}, "certificate signed by unknown authority"},
			},
		},
		{
			"TLS for another address", "tls", tlsConfig(elsewhere, ""),
			// #nosec G402 -- the test's own client
			[]nats.Option{nats.Secure(&tls.Config{InsecureSkipVerify: true})},
			[]attempt{{"wrong", []string{"--fleet-ca", ours.file}, "not 127.0.0.1"}},
		},
		{
			"no TLS", "nats", "", nil,
			[]attempt{{"wrong", []string{"--fleet-ca", ours.file}, "secure connection not available"}},
		},
		{
			"client certificate", "tls", tlsConfig(server, fmt.Sprintf(", ca_file: %q, verify: true", ours.file)),
			[]nats.Option{nats.RootCAs(ours.file), nats.ClientCert(client.file, client.key.file)},
			[]attempt{
				{"right", []string{"--fleet-ca", ours.file, "--fleet-cert", client.file, "--fleet-key", client.key.file}, ""},
				{"missing", []string{"--fleet-ca", ours.file}, "tls"},
				{"wrong", []string{"--fleet-ca", ours.file, "--fleet-cert", foreign.file, "--fleet-key", foreign.key.file}, "tls"},
			},
		},
		{
			"NKey", "nats", fmt.Sprintf("authorization { users: [ { nkey: %s } ] }\n", user.public), []nats.Option{user.option(t)},
			[]attempt{
				{"right", []string{"--fleet-nkey", user.file}, ""},
				{"missing", nil, "Authorization Violation"},
				{"wrong", []string{"--fleet-nkey", unlisted.file}, "Authorization Violation"},
			},
		},
		{
			"credentials", "nats", operator.config(), []nats.Option{nats.UserCredentials(good.file)},
			[]attempt{
				{"right", []string{"--fleet-credentials", good.file}, ""},
				{"missing", nil, "Authorization Violation"},
				{"expired", []string{"--fleet-credentials", expired.file}, "Authorization Violation"},
				{"of an unknown account", []string{"--fleet-credentials", unknown.file}, "Authorization Violation"},
				{"with the seed of another user", []string{"--fleet-credentials", stolen.file}, "Authorization Violation"},
			},
		},
	} {
		// All bootnodes run at the same time: each takes seconds to say that it is degraded.
		c := natstest.Start(t, 1, test.config, test.admin...)
		urls := strings.ReplaceAll(c.URLs(), "nats://", test.scheme+"://")
		for _, a := range test.attempts {
			m := newMember(t, "m", urls, append(a.args, "--log-level", "debug")...).start(t)
			trials = append(trials, trial{test.name + ", " + a.name, m, a.want})
		}
	}
	node := startNode(t, nil)
	for _, r := range trials {
		t.Run(r.name, func(t *testing.T) {
			if r.want == "" {
				r.m.joins(t)
			} else {
				r.m.staysOut(t, r.want)
			}
			s := &service{node: node, members: []*member{r.m}}
			s.expect(t, r.name, 100*time.Millisecond)
			r.m.keeps(t, silent)
		})
	}
}

// joins requires that the bootnode becomes a member.
func (m *member) joins(t testing.TB) {
	t.Helper()
	body, code := "", 0
	defer func() {
		if t.Failed() {
			t.Logf("health: %d %s", code, body)
		}
	}()
	proctest.Eventually(t, "the bootnode joins", func() bool {
		body, code = get(m.web + "/healthz")
		return m.metric(t, "fleet_connected") == 1 && m.metric(t, "fleet_members") == 1 && m.metric(t, "fleet_degraded") == 0 &&
			code == 200 && !strings.Contains(body, "degraded")
	})
}

// staysOut requires that the bootnode says that it is degraded for a reason, and never that it is
// connected.
func (m *member) staysOut(t testing.TB, reason string) {
	t.Helper()
	health, code := "", 0
	defer func() {
		if t.Failed() {
			t.Logf("health: %d %s; want the reason %q", code, health, reason)
		}
	}()
	proctest.Eventually(t, "the health says why the fleet is degraded", func() bool {
		for _, name := range []string{"fleet_connected", "fleet_reconnects_total", "fleet_members"} {
			if n := m.metric(t, name); n > 0 {
				t.Fatalf("%s is %v", name, n)
			}
		}
		health, code = get(m.web + "/healthz")
		return code == 200 && strings.Contains(health, "degraded: fleet: ") && strings.Contains(strings.ToLower(health), strings.ToLower(reason))
	})
	if m.metric(t, "fleet_degraded") != 1 {
		t.Error("the metric does not say degraded")
	}
	if strings.Contains(m.p.Log.String(), "connected to the fleet") {
		t.Errorf("the log says that the bootnode is connected: %s", m.p.Log)
	}
}

// keeps requires that neither a page nor the log has one of some secrets.
func (m *member) keeps(t testing.TB, secrets []string) {
	t.Helper()
	said := map[string]string{"log": m.p.Log.String()}
	for _, page := range []string{m.web + "/healthz", m.web + "/", m.web + "/status", m.metrics + "/metrics"} {
		said[page], _ = get(page)
	}
	for where, text := range said {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s has a secret: %s", where, text)
			}
		}
	}
}

// secret is a file with something that nobody may say.
type secret struct {
	file    string
	public  string   // the public key of an NKey
	secrets []string // texts of the file
}

func writeSecret(t testing.TB, file string, content []byte, secrets ...string) secret {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return secret{file: file, secrets: secrets}
}

// certificate is a certificate in a file and its key in another one.
type certificate struct {
	file string
	key  secret
	cert *x509.Certificate
	by   *ecdsa.PrivateKey
}

// newAuthority returns a certificate that signs others.
func newAuthority(t testing.TB, dir, name string) certificate {
	t.Helper()
	return writeCertificate(t, dir, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
}

// issue returns a certificate for a server at an address, or for a client.
func (a certificate) issue(t testing.TB, name string, ip net.IP) certificate {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature}
	if template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}; ip != nil {
		template.ExtKeyUsage, template.IPAddresses = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []net.IP{ip}
	}
	return writeCertificate(t, filepath.Dir(a.file), template, &a)
}

// writeCertificate signs a certificate with that of an authority, or with its own key.
func writeCertificate(t testing.TB, dir string, template *x509.Certificate, authority *certificate) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := template, key
	if authority != nil {
		parent, by = authority.cert, authority.by
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := certificate{file: filepath.Join(dir, template.Subject.CommonName+".pem"), cert: cert, by: key}
	if err := os.WriteFile(c.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	// The middle of the key: its beginning is the same for all keys.
	encoded := base64.StdEncoding.EncodeToString(private)
	c.key = writeSecret(t, strings.TrimSuffix(c.file, ".pem")+".key", text, encoded[70:100])
	return c
}

// newSeed returns a file with the seed of an NKey.
func newSeed(t testing.TB, dir, name string) secret {
	t.Helper()
	_, public, seed := newPair(t, nkeys.PrefixByteUser)
	s := writeSecret(t, filepath.Join(dir, name+".nk"), seed, string(seed))
	s.public = public
	return s
}

func newPair(t testing.TB, prefix nkeys.PrefixByte) (pair nkeys.KeyPair, public string, seed []byte) {
	t.Helper()
	pair, err := nkeys.CreatePair(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	if seed, err = pair.Seed(); err != nil {
		t.Fatal(err)
	}
	return pair, public, seed
}

// option makes a client use the NKey.
func (s secret) option(t testing.TB) nats.Option {
	t.Helper()
	o, err := nats.NkeyOptionFromSeed(s.file)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// operator signs accounts, whose keys sign users.
type operator struct {
	dir                     string
	pair, account           nkeys.KeyPair
	token, system, accounts string
}

func newAccount(t testing.TB) nkeys.KeyPair {
	t.Helper()
	pair, _, _ := newPair(t, nkeys.PrefixByteAccount)
	return pair
}

// newOperator returns an operator with an account for the fleet and one for the system.
func newOperator(t testing.TB, dir string) *operator {
	t.Helper()
	o := &operator{dir: dir, account: newAccount(t)}
	pair, public, _ := newPair(t, nkeys.PrefixByteOperator)
	o.pair = pair
	encode := func(c interface {
		Encode(nkeys.KeyPair) (string, error)
	}) string {
		token, err := c.Encode(pair)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for _, account := range []nkeys.KeyPair{newAccount(t), o.account} {
		id, err := account.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		claims := jwt.NewAccountClaims(id)
		if account == o.account {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
				MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
			}
		} else {
			o.system = id
		}
		o.accounts += fmt.Sprintf("  %s: %s\n", id, encode(claims))
	}
	claims := jwt.NewOperatorClaims(public)
	claims.SystemAccount = o.system
	o.token = encode(claims)
	return o
}

// config returns the part of the configuration of a server that trusts the operator.
func (o *operator) config() string {
	return fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {\n%s}\n", o.token, o.system, o.accounts)
}

// credentials returns the file of a new user of an account.
func (o *operator) credentials(t testing.TB, name string, account nkeys.KeyPair, expires time.Time) secret {
	t.Helper()
	_, public, seed := newPair(t, nkeys.PrefixByteUser)
	token := o.sign(t, public, account, expires)
	content, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	return writeSecret(t, filepath.Join(o.dir, name+".creds"), content, string(seed), token)
}

// mismatch returns a file with the token of a user and the seed of another one, as somebody has it
// who has seen the token.
func (o *operator) mismatch(t testing.TB, name string) secret {
	t.Helper()
	own := o.credentials(t, name, o.account, time.Time{})
	content, err := os.ReadFile(own.file)
	if err != nil {
		t.Fatal(err)
	}
	_, public, _ := newPair(t, nkeys.PrefixByteUser)
	seed, token := own.secrets[0], own.secrets[1]
	seen := o.sign(t, public, o.account, time.Time{})
	return writeSecret(t, own.file, bytes.ReplaceAll(content, []byte(token), []byte(seen)), seed, seen)
}

func (o *operator) sign(t testing.TB, public string, account nkeys.KeyPair, expires time.Time) string {
	t.Helper()
	claims := jwt.NewUserClaims(public)
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	token, err := claims.Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
