package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrUnreachable: no server of the fleet is connected.
var ErrUnreachable = errors.New("no server is connected")

// Conn is the connection to a fleet. It is safe for concurrent use.
type Conn struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	log     *slog.Logger
	secrets *secrets

	// The client of NATS calls Dial and nextServer with its own lock held, and they take mu. So
	// nobody who has mu calls the client.
	mu      sync.Mutex
	state   State
	before  bool // has been connected
	tries   attempts
	denied  denial
	other   map[string]string // settings of buckets that differ, by bucket
	loading string            // why the files of the settings could not be read at the last attempt
}

// State is the state of a connection.
type State struct {
	Connected  bool
	Server     string    // URL without password, empty while there is none
	Since      time.Time // of the last change of Connected
	Reconnects uint64    // connections after the first one
	// Err is why there is no connection, in a single line of bounded length: the reason of each
	// server, or else why the last connection ended. It is empty while one is connected.
	Err string
}

// Open begins to connect. It fails only if cfg is wrong, with an error that wraps ErrConfig.
// Callers must close the result.
func Open(cfg Config) (*Conn, error) {
	options, err := cfg.options()
	if err != nil {
		return nil, err
	}
	c := &Conn{log: cfg.Log, state: State{Since: time.Now()}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.secrets, err = newSecrets(cfg); err != nil {
		return nil, err
	}
	dial := &dialer{Dialer: net.Dialer{Timeout: dialTimeout}, c: c}
	options = append(options, c.secrets.options()...)
	options = append(options,
		nats.ConnectHandler(c.connected), nats.ReconnectHandler(c.connected),
		nats.DisconnectErrHandler(c.disconnected),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.notConnected(err) }),
		nats.ReconnectToServer(dial.nextServer),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.denial(err) }),
		nats.SetCustomDialer(dial),
	)
	if c.nc, err = nats.Connect(strings.Join(cfg.Servers, ","), options...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	dial.nc.Store(c.nc)
	if c.js, err = jetstream.New(c.nc, jetstream.WithDefaultTimeout(callTimeout)); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return c, nil
}

const (
	// callTimeout bounds calls whose context has no deadline.
	callTimeout = 3 * time.Second
	// createTimeout bounds the creation of a bucket or stream: a cluster that has just started
	// elects leaders first.
	createTimeout = 10 * time.Second
)

func (c *Conn) connected(nc *nats.Conn) {
	server := nc.ConnectedUrlRedacted()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.before {
		c.state.Reconnects++
	}
	c.before = true
	c.tries.forget()
	c.state.Connected, c.state.Server, c.state.Since, c.state.Err = true, server, time.Now(), ""
	c.log.Info("connected to the fleet", "server", server)
}

func (c *Conn) disconnected(nc *nats.Conn, err error) {
	closed := nc.IsClosed()
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.state.Connected
	if was {
		c.state.Connected, c.state.Server, c.state.Since = false, "", time.Now()
	}
	if err != nil {
		c.state.Err = oneLine(err)
	}
	switch {
	case !was || closed:
	case err == nil:
		c.log.Info("leaving a server of the fleet for another connection")
	default:
		c.log.Warn("the connection to the fleet ended", "err", c.state.Err)
	}
}

// denial is the last time that the servers have denied a right to this member.
type denial struct {
	text  string
	at    time.Time
	retry bool // a new connection is on its way
}

// deniedRetry is the time between connections of a member that may not read the answers to its
// calls. The client subscribes to them once for each connection.
const deniedRetry = 10 * time.Second

// denial notes an error that the client reports beside all calls.
func (c *Conn) denial(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d := &c.denied
	d.text, d.at = oneLine(err), time.Now()
	if !d.retry && strings.Contains(d.text, "for Subscription") {
		d.retry = true
		time.AfterFunc(deniedRetry, func() {
			c.mu.Lock()
			c.denied.retry = false
			c.mu.Unlock()
			c.Reconnect()
		})
	}
}

// explain adds to the error of a call that the servers have just denied a right to this member.
// They do not answer such a call, so its own error says that it has timed out.
func (c *Conn) explain(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.denied.text == "" || time.Since(c.denied.at) > 2*createTimeout || errors.Is(err, ErrUnreachable) {
		return err
	}
	return fmt.Errorf("%s: %w", c.denied.text, err)
}

// maxErr bounds the text of an error of a server, in bytes.
const maxErr = 200

// oneLine returns the text of an error from a server, without line ends and control characters, and
// of bounded length.
func oneLine(err error) string { return bounded(err.Error(), maxErr) }

func bounded(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// State returns the state of the connection.
func (c *Conn) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	if text := c.tries.reasons(); text != "" && !s.Connected {
		s.Err = text
	}
	if c.loading != "" && !s.Connected {
		s.Err = strings.TrimPrefix(s.Err+"; "+c.loading, "; ")
	}
	return s
}

// Reload reads the files of the settings. If they have changed since the last connection, the Conn
// leaves its server and connects with the new ones; without a call that happens whenever it
// connects. After an error, which wraps ErrConfig, nothing changes.
func (c *Conn) Reload() (changed bool, err error) {
	old := c.secrets.current()
	if err := c.secrets.refresh(); err != nil {
		return false, err
	}
	if c.secrets.current().sum == old.sum {
		return false, nil
	}
	c.log.Info("certificates or credentials of the fleet have changed; connecting with the new ones")
	c.Reconnect()
	return true, nil
}

// Reconnect leaves the current server for another one. Call it when a server has accepted a request
// and does not answer: such a server looks connected until it misses pings.
func (c *Conn) Reconnect() {
	_ = c.nc.ForceReconnect() // an error says that the connection is closed
}

// Close ends the connection. Calls that wait fail.
func (c *Conn) Close() { c.nc.Close() }

// JetStream returns the API of JetStream, for calls that this package has no function for.
func (c *Conn) JetStream() jetstream.JetStream { return c.js }

// check returns ErrUnreachable without a server, so that calls fail early.
func (c *Conn) check() error {
	if c.nc.IsConnected() {
		return nil
	}
	if err := c.State().Err; err != "" {
		return fmt.Errorf("%w: %s", ErrUnreachable, err)
	}
	return ErrUnreachable
}

// within returns ctx with the deadline of a call, unless it has an earlier one.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout)
}

func creating(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, createTimeout)
}
