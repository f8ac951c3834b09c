package topic

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/ranges"
)

// Bounds and defaults of Config.
const (
	MaxCapacity   = 100_000
	MaxLifetime   = 24 * time.Hour
	MaxWindow     = 10 * time.Minute
	MinWaitScale  = 1e-9
	MaxWaitScale  = 1000
	DefaultSlack  = time.Second
	DefaultWindow = 10 * time.Second
)

// ErrConfig is wrapped by the error for a configuration with a value out of range. If it is a
// number, the error is a *RangeError.
var ErrConfig = errors.New("topic: configuration")

// RangeError says which number is out of range, what it is, and what the range is.
type RangeError = ranges.Error

// maxRequests bounds the requests under way and the nodes that configurations ask for.
const maxRequests = 1000

// Config configures a registrar. The zero value of every field but Random stands for its default.
type Config struct {
	// Self is the registrar's own node ID. It never registers with itself.
	Self enr.ID
	// Random gives the keys of tickets: crypto/rand.Reader in production. It is read in
	// NewRegistrar and in a Register call every half hour. It must not be nil.
	Random io.Reader
	// Capacity is C, the number of ads that the cache holds, at most MaxCapacity.
	Capacity int
	// Lifetime is E, how long an ad lives. Nodes expect 15 minutes.
	Lifetime time.Duration
	// Exponent is Pocc, 10 by default. The higher it is, the emptier the cache stays.
	Exponent float64
	// Safety is G, 1e-7 by default.
	Safety float64
	// WaitScale multiplies waiting times. 1, the default, is what the specification says; 0.1 is
	// what the reference fork does. Below 1 the second ad of the only topic of a network waits less
	// than E, and an attacker gets more of the cache.
	WaitScale float64
	// Slack admits an ad that has this long or less to wait, which saves a round trip. The default
	// is one second. A negative value stands for none.
	Slack time.Duration
	// Window is δ, how long after the end of the quoted wait a ticket counts, 10 seconds by
	// default.
	Window time.Duration
	// CheckPort makes the registrar refuse a record whose UDP port is not that of the sender. It
	// is off by default: honest nodes behind some NATs send from other ports.
	CheckPort bool
	// Expired, if not nil, is called for each ad that reaches the end of its life, with the lock
	// held: it must not call the registrar.
	Expired func(topic Topic, id enr.ID)
}

// Validate reports whether NewRegistrar accepts the configuration. The error wraps ErrConfig and
// names the field.
func (c Config) Validate() error {
	_, err := c.withDefaults()
	return err
}

// withDefaults returns the configuration with all defaults filled in.
func (c Config) withDefaults() (Config, error) {
	if c.Random == nil {
		return c, fmt.Errorf("%w: Random is nil", ErrConfig)
	}
	if c.Capacity == 0 {
		c.Capacity = DefaultCapacity
	}
	if c.Lifetime == 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.Slack == 0 {
		c.Slack = DefaultSlack
	}
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	for _, f := range []struct {
		field       *float64
		def         float64
		least, most float64
		name        string
	}{
		{&c.Exponent, DefaultExponent, 1e-3, 1000, "Exponent"},
		{&c.Safety, DefaultSafety, 1e-30, 1, "Safety"},
		{&c.WaitScale, 1, MinWaitScale, MaxWaitScale, "WaitScale"},
	} {
		if err := ranges.Check(ErrConfig, f.name, *f.field, f.least, f.most, ranges.Default); err != nil {
			return c, err
		}
		if *f.field == 0 {
			*f.field = f.def
		}
	}
	c.Slack = max(c.Slack, 0)
	return c, ranges.First(
		ranges.Check(ErrConfig, "Capacity", c.Capacity, 1, MaxCapacity, ranges.Default),
		ranges.Check(ErrConfig, "Lifetime", c.Lifetime, time.Second, MaxLifetime, ranges.Default),
		ranges.Check(ErrConfig, "Window", c.Window, 1, MaxWindow, ranges.Default),
		ranges.Check(ErrConfig, "Slack", c.Slack, 0, c.Lifetime, ranges.Default+" and a negative value for none"))
}
