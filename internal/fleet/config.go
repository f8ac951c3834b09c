package fleet

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fastdisc/discv5/internal/quote"
)

const (
	// MaxServers bounds the servers of a Config.
	MaxServers = 16

	// dialTimeout is how long a server has to accept a connection.
	dialTimeout = 2 * time.Second
	// A server that does not answer pings for pingInterval times maxPings is left for another one.
	pingInterval = 2 * time.Second
	maxPings     = 2
	// The client waits this long before it tries the same server once more, and up to
	// reconnectJitter longer, so that members do not all return at the same time.
	reconnectWait   = 500 * time.Millisecond
	reconnectJitter = 500 * time.Millisecond
)

// ErrConfig is wrapped by errors of a Config that a retry does not help.
var ErrConfig = errors.New("wrong setting")

// Config says how to reach the servers of a fleet.
type Config struct {
	// Servers are the URLs of the servers: nats://, tls://, ws:// or wss://. A URL may have a user
	// with a password, or a token.
	Servers []string
	// Credentials is the name of a file with a JWT and its seed, as nsc writes it. NKey is that of
	// a file with the seed of an NKey. At most one of them is set. These and the following files
	// are read for each connection: see Conn.Reload.
	Credentials, NKey string
	// CA is the name of a PEM file with the authorities that sign the certificates of servers; the
	// default is those of the system. Cert and Key are PEM files with a certificate of this member
	// and its key; either none or both are set. Any of them requires TLS.
	CA, Cert, Key string
	// Name is how the servers show the connection.
	Name string
	// Log gets changes of the connection. Nil discards them.
	Log *slog.Logger
}

// Check reads the files of c. Its error wraps ErrConfig and names the wrong value.
func (c *Config) Check() error {
	if _, err := c.options(); err != nil {
		return err
	}
	_, err := c.material()
	return err
}

// options returns the options of the client that c stands for, without those of its files.
func (c *Config) options() ([]nats.Option, error) {
	if len(c.Servers) == 0 || len(c.Servers) > MaxServers {
		return nil, fmt.Errorf("%w: %d servers; want 1 to %d", ErrConfig, len(c.Servers), MaxServers)
	}
	for _, s := range c.Servers {
		if err := checkServer(s); err != nil {
			return nil, fmt.Errorf("%w: server %s: %w", ErrConfig, quote.Short(redact(s)), err)
		}
	}
	options := []nats.Option{
		nats.Name(c.Name),
		nats.Timeout(dialTimeout),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(maxPings),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // without a server, calls fail instead of waiting in a queue
		nats.IgnoreDiscoveredServers(), nats.SkipHostLookup(),
		nats.IgnoreAuthErrorAbort(),
	}
	return options, nil
}

// checkServer reports what is wrong with the URL of a server.
func checkServer(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("cannot parse the URL") // the error has its password
	case !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
		return errors.New("want nats://HOST:PORT or tls://HOST:PORT")
	case u.Hostname() == "":
		return errors.New("the URL has no host")
	case u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" && u.Scheme[0] != 'w':
		return errors.New("the URL has more than user, host and port")
	}
	return nil
}

// redact returns a URL without its password or token, even if nothing can parse it.
func redact(text string) string {
	scheme, rest, _ := strings.Cut(text, "//")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return scheme + "//xxxxx" + rest[at:]
	}
	return text
}
