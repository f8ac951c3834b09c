package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrUnreachable: no server of the fleet is connected.
var ErrUnreachable = errors.New("no server is connected")

// Conn is the connection to a fleet. It is safe for concurrent use.
type Conn struct {
	nc     *nats.Conn
	client atomic.Pointer[nats.Conn] // nc, for callbacks that may run before Open has set it
	js     jetstream.JetStream
	log    *slog.Logger

	mu      sync.Mutex
	state   State
	before  bool // has been connected
	refused bool // the log has why a server refused, since the last connection
}

// State is the state of a connection.
type State struct {
	Connected  bool
	Server     string    // URL without password, empty while there is none
	Since      time.Time // of the last change of Connected
	Reconnects uint64    // connections after the first one
	Err        string    // why the last connection ended or was refused, in a single line
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
	options = append(options,
		nats.ConnectHandler(c.connected), nats.ReconnectHandler(c.connected),
		nats.DisconnectErrHandler(c.disconnected),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.failed(err) }),
		nats.CustomReconnectDelay(c.delay),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.failed(err) }),
	)
	dial := &dialer{Dialer: net.Dialer{Timeout: dialTimeout}}
	options = append(options, nats.SetCustomDialer(dial))
	if c.nc, err = nats.Connect(strings.Join(cfg.Servers, ","), options...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	c.client.Store(c.nc)
	dial.open.Store(true)
	if c.js, err = jetstream.New(c.nc, jetstream.WithDefaultTimeout(callTimeout)); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return c, nil
}

// dialer refuses until it is open. nats.Connect tries each server once before it returns, which
// takes seconds if they are away; with this dialer it fails without a packet, and the client
// continues in the background.
type dialer struct {
	net.Dialer
	open atomic.Bool
}

var errStarting = errors.New("has not connected yet")

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	if !d.open.Load() {
		return nil, errStarting
	}
	return d.Dialer.Dial(network, address)
}

const (
	// callTimeout bounds calls whose context has no deadline.
	callTimeout = 3 * time.Second
	// createTimeout bounds the creation of a bucket or stream: a cluster that has just started
	// elects leaders first.
	createTimeout = 10 * time.Second
)

func (c *Conn) connected(nc *nats.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.before {
		c.state.Reconnects++
	}
	c.before, c.refused = true, false
	c.state.Connected, c.state.Server, c.state.Since, c.state.Err = true, nc.ConnectedUrlRedacted(), time.Now(), ""
	c.log.Info("connected to the fleet", "server", c.state.Server)
}

func (c *Conn) disconnected(nc *nats.Conn, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.state.Connected
	if was {
		c.state.Connected, c.state.Server, c.state.Since = false, "", time.Now()
	}
	if err != nil {
		c.state.Err = oneLine(err)
	}
	if was && !nc.IsClosed() {
		c.log.Warn("the connection to the fleet ended", "err", c.state.Err)
	}
}

func (c *Conn) failed(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Err = oneLine(err)
}

// delay returns how long the client waits after it has tried all servers. It also notes why the
// last one refused: the client reports a failed handshake, of TLS or of the credentials, to no
// handler.
func (c *Conn) delay(int) time.Duration {
	if nc := c.client.Load(); nc != nil {
		c.refuse(nc.LastError())
	}
	return reconnectWait + rand.N(reconnectJitter)
}

// refuse notes why a server refused. Only the first refusal since the last connection is logged.
func (c *Conn) refuse(err error) {
	c.failed(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && !c.refused {
		c.refused = true
		c.log.Warn("a server of the fleet refuses this member", "err", oneLine(err))
	}
}

// maxErr bounds the text of an error of a server, in bytes.
const maxErr = 200

// oneLine returns the text of an error from a server, without line ends and of bounded length.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > maxErr {
		text = strings.ToValidUTF8(text[:maxErr], "") + "..."
	}
	return text
}

// State returns the state of the connection.
func (c *Conn) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
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
