package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// maxReason bounds the reason of one server, and maxReasons those of all, in bytes.
	maxReason  = 160
	maxReasons = 1000
	// serverPause is the time between attempts at two servers. Meanwhile the reason of the first
	// one can be read.
	serverPause = 20 * time.Millisecond
)

// attempts are the attempts to connect, and why the last one at each server failed.
type attempts struct {
	number  uint64               // of the last attempt
	address string               // that it was for
	turn    int                  // counts the choices of a server
	chosen  map[string]time.Time // when a server was last chosen, by its host and port
	failed  []failure
}

// failure is why a server is not connected.
type failure struct {
	address, text string
}

// forget forgets the reasons: a server is connected.
func (a *attempts) forget() { a.failed = nil }

// pause returns how long to wait before the next attempt at a server: longer if the last one was
// just now.
func (a *attempts) pause(host string) time.Duration {
	if a.chosen == nil {
		a.chosen = make(map[string]time.Time)
	}
	last := a.chosen[host]
	a.chosen[host] = time.Now()
	if last.IsZero() || time.Since(last) > reconnectWait {
		return serverPause
	}
	return reconnectWait + rand.N(reconnectJitter)
}

// fail notes why an attempt failed, and reports whether it is the first failure of that server
// since the last connection.
func (a *attempts) fail(address, text string) (first bool) {
	for i := range a.failed {
		if a.failed[i].address == address {
			a.failed[i].text = text
			return false
		}
	}
	if len(a.failed) < MaxServers {
		a.failed = append(a.failed, failure{address, text})
	}
	return true
}

// reasons returns the reason of each server in one line. Servers with the same one share it.
func (a *attempts) reasons() string {
	var parts []string
	length, left := 0, 0
	done := make(map[string]bool)
	for i, f := range a.failed {
		if done[f.text] {
			continue
		}
		done[f.text] = true
		names := []string{f.address}
		for _, o := range a.failed[i+1:] {
			if o.text == f.text {
				names = append(names, o.address)
			}
		}
		part := bounded(strings.Join(names, ", "), 2*maxReason) + ": " + f.text
		if length += len(part) + 2; length > maxReasons && len(parts) > 0 {
			left += len(names)
			continue
		}
		parts = append(parts, part)
	}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("and %d more servers", left))
	}
	return strings.Join(parts, "; ")
}

// dialer connects to servers, and keeps account of the attempts. Until it has the client, it
// refuses: nats.Connect tries each server once before it returns, which takes seconds if they are
// away. With this dialer it fails without a packet, and the client continues in the background.
type dialer struct {
	net.Dialer
	c  *Conn
	nc atomic.Pointer[nats.Conn]
}

var errStarting = errors.New("has not connected yet")

// dialError is an error of Dial, whose reason is noted already.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// Dial implements nats.CustomDialer. The client calls it with its lock held, right before it
// authenticates.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	nc := d.nc.Load()
	if nc == nil {
		return nil, &dialError{errStarting}
	}
	c := d.c
	c.begin(address)
	c.loaded(c.secrets.refresh())
	// The client has a callback for every secret but this one.
	nc.Opts.Nkey = c.secrets.current().nkey
	conn, err := d.Dialer.Dial(network, address)
	if err != nil {
		c.fail(address, dialReason(err), false)
		return nil, &dialError{err}
	}
	return conn, nil
}

// dialReason returns why a connection could not be made, without the address.
func dialReason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return bounded(err.Error(), maxReason)
}

// nextServer chooses the server for the next attempt: one after the other, with a pause after a
// round. The client calls it with its lock held.
func (d *dialer) nextServer(servers []nats.Server, _ nats.ServerInfo) (*nats.Server, time.Duration) {
	c, nc := d.c, d.nc.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &c.tries
	server := &servers[a.turn%len(servers)]
	if nc == nil {
		return server, serverPause
	}
	a.turn++
	number, address := a.number, a.address
	// The client reports a failed handshake, of TLS or of the credentials, to no handler. Its lock
	// is free during the pause.
	go func() {
		if err := nc.LastError(); err != nil {
			c.handshake(number, address, err)
		}
	}()
	return server, a.pause(server.URL.Host)
}

// begin notes an attempt.
func (c *Conn) begin(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries.number++
	c.tries.address = address
}

// loaded notes whether the files of the settings could be read, and logs a new reason why not.
func (c *Conn) loaded(err error) {
	text := ""
	if err != nil {
		text = oneLine(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if text != "" && text != c.loading {
		c.log.Warn("cannot read certificates or credentials of the fleet; those of before remain in use", "err", text)
	}
	c.loading = text
}

// handshake notes why a server refused, unless there was another attempt meanwhile.
func (c *Conn) handshake(number uint64, address string, err error) {
	c.mu.Lock()
	current := number == c.tries.number && !c.state.Connected
	c.mu.Unlock()
	if current && address != "" {
		c.fail(address, bounded(err.Error(), maxReason), true)
	}
}

// fail notes why an attempt failed. The first failure of each server since the last connection is
// logged.
func (c *Conn) fail(address, text string, refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.tries.fail(address, text)
	switch {
	case !first:
	case refused:
		c.log.Warn("a server of the fleet refuses this member", "server", address, "err", text)
	default:
		c.log.Info("a server of the fleet is away", "server", address, "err", text)
	}
}

// notConnected notes an error of an attempt that the client reports to a handler. Dial has noted
// its own.
func (c *Conn) notConnected(err error) {
	var noted *dialError
	if err == nil || errors.As(err, &noted) {
		return
	}
	c.mu.Lock()
	address := cmp.Or(c.tries.address, "the server")
	c.mu.Unlock()
	c.fail(address, bounded(err.Error(), maxReason), true)
}
