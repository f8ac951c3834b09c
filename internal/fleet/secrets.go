package fleet

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"

	"github.com/nats-io/nats.go"
)

// maxSecretFile bounds a file of credentials or certificates.
const maxSecretFile = 1 << 20

// material is the content of the files that a Config names, ready for use. It does not change.
type material struct {
	cert  *tls.Certificate // of this member
	roots *x509.CertPool   // authorities of the servers; nil for those of the system
	jwt   string           // of a user
	nkey  string           // public key
	sign  nats.SignatureHandler
	sum   [sha256.Size]byte // of all files
}

// material reads the files of c. Its error wraps ErrConfig and names the file.
func (c *Config) material() (*material, error) {
	m, all := new(material), sha256.New()
	read := func(name string) ([]byte, error) {
		b, err := readRegular(name)
		fmt.Fprintf(all, "%d,%d,", len(name), len(b))
		all.Write(b)
		return b, err
	}
	if c.Credentials != "" && c.NKey != "" {
		return nil, fmt.Errorf("%w: both credentials and an NKey", ErrConfig)
	}
	if c.Credentials != "" {
		b, err := read(c.Credentials)
		if err != nil {
			return nil, fmt.Errorf("%w: credentials: %w", ErrConfig, err)
		}
		if m.jwt, m.sign, err = parseCredentials(b); err != nil {
			return nil, fmt.Errorf("%w: credentials of %s: %w", ErrConfig, c.Credentials, err)
		}
	}
	if c.NKey != "" {
		if _, err := read(c.NKey); err != nil {
			return nil, fmt.Errorf("%w: credentials: %w", ErrConfig, err)
		}
		var o nats.Options
		option, err := nats.NkeyOptionFromSeed(c.NKey)
		if err == nil {
			err = option(&o)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: NKey of %s: %w", ErrConfig, c.NKey, err)
		}
		m.nkey, m.sign = o.Nkey, o.SignatureCB
	}
	if c.CA != "" {
		b, err := read(c.CA)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate authorities: %w", ErrConfig, err)
		}
		m.roots = x509.NewCertPool()
		if !m.roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%w: certificate authorities: %s has no certificate", ErrConfig, c.CA)
		}
	}
	switch {
	case (c.Cert == "") != (c.Key == ""):
		return nil, fmt.Errorf("%w: a certificate needs its key, and a key its certificate", ErrConfig)
	case c.Cert != "":
		cert, err := read(c.Cert)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate: %w", ErrConfig, err)
		}
		key, err := read(c.Key)
		if err != nil {
			return nil, fmt.Errorf("%w: key of the certificate: %w", ErrConfig, err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate of %s and key of %s: %w", ErrConfig, c.Cert, c.Key, err)
		}
		m.cert = &pair
	}
	all.Sum(m.sum[:0])
	return m, nil
}

// readRegular returns the content of a file. It refuses other things than regular files, which
// could block whoever reads them.
func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err == nil && len(b) > maxSecretFile {
		err = fmt.Errorf("%s: more than %d bytes", name, maxSecretFile)
	}
	return b, err
}

// jwtForm is the form of a JWT: header, claims and signature, each in base64.
var jwtForm = regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]+$`)

// parseCredentials returns the JWT of a file of credentials, and what signs with its seed. The
// client of NATS takes the whole file for the JWT if the file has another form, and would send it
// to the server. Such a file may be the seed itself.
func parseCredentials(b []byte) (jwt string, sign nats.SignatureHandler, err error) {
	var o nats.Options
	if err := nats.UserCredentialBytes(bytes.Clone(b))(&o); err != nil {
		return "", nil, err
	}
	if jwt, err = o.UserJWT(); err != nil {
		return "", nil, err
	}
	if !jwtForm.MatchString(jwt) {
		return "", nil, errors.New("no JWT")
	}
	_, err = o.SignatureCB([]byte("nonce"))
	return jwt, o.SignatureCB, err
}

// secrets is the material for connections. The client asks for it each time that it connects, so
// that a new certificate or new credentials need no restart.
type secrets struct {
	cfg Config

	mu   sync.Mutex
	used *material // for the last attempt to connect
}

func newSecrets(cfg Config) (*secrets, error) {
	m, err := cfg.material()
	if err != nil {
		return nil, err
	}
	return &secrets{cfg: cfg, used: m}, nil
}

func (s *secrets) current() *material {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// refresh reads the files once more. After an error the material of before remains: somebody may
// be replacing the files, one after the other.
func (s *secrets) refresh() error {
	m, err := s.cfg.material()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = m
	return nil
}

// options returns the options of the client that use s.
func (s *secrets) options() (options []nats.Option) {
	m := s.current()
	sign := func(nonce []byte) ([]byte, error) { return s.current().sign(nonce) }
	switch {
	case m.jwt != "":
		options = append(options, nats.UserJWT(func() (string, error) { return s.current().jwt, nil }, sign))
	case m.nkey != "":
		options = append(options, nats.Nkey(m.nkey, sign))
	}
	var cert nats.TLSCertHandler
	if m.cert != nil {
		cert = func() (tls.Certificate, error) { return *s.current().cert, nil }
	}
	var roots nats.RootCAsHandler
	if m.roots != nil {
		roots = func() (*x509.CertPool, error) { return s.current().roots, nil }
	}
	if cert != nil || roots != nil {
		options = append(options, nats.ClientTLSConfig(cert, roots))
	}
	return options
}
