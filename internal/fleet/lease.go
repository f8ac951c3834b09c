package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
)

const (
	// DefaultLease is how long a standby waits for a sign of life before it takes over.
	DefaultLease = 7 * time.Second
	minLease     = 100 * time.Millisecond
	maxLease     = 10 * time.Minute

	maxLeaseValue = 4 << 10
	leaseBytes    = 16 << 20 // of the bucket
)

// Errors of a Lease.
var (
	// ErrIdentity: the identity in the store has another key than this member, or one that this
	// member cannot open. A retry does not help.
	ErrIdentity = errors.New("the identity belongs to another key")
	// ErrLost: another member has the lease.
	ErrLost = errors.New("another member has taken over")
	// ErrSeq: a record is older than the one that the fleet knows.
	ErrSeq = errors.New("the sequence number would fall back")
)

// LeaseConfig says who competes for which identity.
type LeaseConfig struct {
	Identity string // see ValidName
	Member   string // name of this member, for people
	// Key is the key of the identity, if this member has it. Without it the key comes from the
	// store, which holds it encrypted with Secret. If the store has none, NewKey makes it.
	Key    *enr.PrivateKey
	NewKey func() (*enr.PrivateKey, error)
	Secret []byte // empty: the store does not hold the key
	// Duration is the time of a lease, by default DefaultLease.
	Duration time.Duration
	Log      *slog.Logger
}

// Lease competes for the lease of an identity: of all its members, one at most is active.
//
// The active member renews the lease by writing it, and counts its time from before the request
// that wrote it. It stops a tenth before the time is over. A standby waits until it has seen the
// same revision for the whole time, counted from after the response that showed it, and then
// replaces exactly this revision. So the active has always stopped before, whatever the clocks of
// the machines say: only their rates matter, by up to a tenth. Each member uses one clock, which
// also runs while the machine is suspended.
type Lease struct {
	cfg      LeaseConfig
	reg      register
	now      func() time.Duration
	instance string // differs in each process

	mu      sync.Mutex
	state   LeaseState
	told    bool    // the log has the error
	holding *Tenure // the present one, or the last
}

// LeaseState describes a Lease for people.
type LeaseState struct {
	Role   Role
	Holder string // member that holds the lease, as far as known
	ID     enr.ID // of the identity; zero while nobody has used it
	Err    string // why the last access to the lease failed; empty if it succeeded
	// ErrSince is when accesses began to fail.
	ErrSince time.Time
	Failed   uint64 // accesses that failed
	Taken    uint64 // times that this member became active
	Lost     uint64 // times that another one took over
}

// Role is what a member does for an identity.
type Role string

// Roles.
const (
	Standby  Role = "standby"
	Active   Role = "active"
	Silenced Role = "silenced" // active, but its lease has run out: it answers nothing
)

// leaseValue is a lease in the store.
type leaseValue struct {
	V        int64  `json:"v"`
	Identity string `json:"identity"`
	Member   string `json:"member"`
	Instance string `json:"instance"`
	Nonce    string `json:"nonce"`               // differs in each value
	Duration int64  `json:"duration_ms"`         // that the holder counts on
	Released bool   `json:"released,omitempty"`  // by its holder, which has stopped
	ID       string `json:"id"`                  // node ID of the identity
	Record   string `json:"enr,omitempty"`       // newest record
	By       string `json:"record_by,omitempty"` // member that made the record
	Key      []byte `json:"key,omitempty"`       // see seal
}

func (v *leaseValue) version() int64 { return v.V }

// NewLease returns a Lease in the store that c is connected to. Buckets begin with prefix.
func NewLease(c *Conn, prefix string, cfg LeaseConfig) (*Lease, error) {
	bucket := Bucket{Name: prefix + "_leases", MaxBytes: leaseBytes, MaxValue: maxLeaseValue}
	return newLease(&kvRegister{conn: c, bucket: bucket, key: cfg.Identity}, now, cfg)
}

func newLease(reg register, now func() time.Duration, cfg LeaseConfig) (*Lease, error) {
	if cfg.Duration == 0 {
		cfg.Duration = DefaultLease
	}
	switch {
	case !ValidName(cfg.Identity):
		return nil, fmt.Errorf("%w: the name of an identity is 1 to %d letters, digits, - and _", ErrConfig, maxName)
	case cfg.Duration < minLease || cfg.Duration > maxLease:
		return nil, fmt.Errorf("%w: a lease takes %v to %v, not %v", ErrConfig, minLease, maxLease, cfg.Duration)
	case len(cfg.Secret) > 0 && len(cfg.Secret) < MinSecret:
		return nil, fmt.Errorf("%w: the secret has %d bytes; at least %d are needed", ErrConfig, len(cfg.Secret), MinSecret)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Lease{cfg: cfg, reg: reg, now: now, instance: random(), state: LeaseState{Role: Standby}}
	if cfg.Key != nil {
		l.state.ID = cfg.Key.ID()
	}
	return l, nil
}

// random returns 128 random bits as text.
func random() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// State returns the state of the lease.
func (l *Lease) State() LeaseState {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	if s.Role == Active && !l.holding.Valid() {
		s.Role = Silenced
	}
	return s
}

func (l *Lease) note(change func(*LeaseState)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.state)
}

// noteErr keeps an error of an access for State. The first one after a success is logged, unless no
// server is connected, which the Conn logs.
func (l *Lease) noteErr(err error) {
	l.note(func(s *LeaseState) {
		text := ""
		if err != nil {
			text = oneLine(err)
			s.Failed++
		}
		if s.Err == "" && text != "" {
			s.ErrSince = time.Now()
		}
		if l.told = l.told && err != nil; !l.told && worthLogging(err) && !errors.Is(err, ErrLost) {
			l.told = true
			l.cfg.Log.Warn("no access to the lease of the shared identity", "identity", l.cfg.Identity, "err", text)
		}
		s.Err = text
	})
}

// call runs one access to the store with a deadline, and reports a server that does not answer.
func (l *Lease) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, min(l.cfg.Duration/4, callTimeout))
	defer cancel()
	err := f(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		l.reg.slow()
	}
	return err
}

// observation is what a standby knows of the lease.
type observation struct {
	revision uint64
	sum      [sha256.Size]byte // of the value: a store that lost data may use a revision twice
	since    time.Duration     // when this content was first seen
	follows  bool              // it came after another one that this standby has seen
	made     bool
}

// Acquire waits until this member may be active. It returns an error that wraps ErrIdentity if it
// can never be, and the error of ctx. Callers must end the result by Release.
func (l *Lease) Acquire(ctx context.Context) (*Tenure, error) {
	l.note(func(s *LeaseState) { s.Role = Standby })
	var seen observation
	for {
		t, err := l.try(ctx, &seen)
		if t != nil || errors.Is(err, ErrIdentity) {
			return t, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		l.noteErr(err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(l.cfg.Duration / 14):
		}
	}
}

// try looks at the lease once, and takes it if it may. Without error and result the lease is not
// free.
func (l *Lease) try(ctx context.Context, seen *observation) (*Tenure, error) {
	var b []byte
	var revision uint64
	err := l.call(ctx, func(ctx context.Context) (err error) {
		b, revision, err = l.reg.get(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	// The time after the response is after the write that it shows.
	t, sum := l.now(), sha256.Sum256(b)
	if !seen.made || revision != seen.revision || sum != seen.sum {
		*seen = observation{revision: revision, sum: sum, since: t, follows: seen.made && revision > seen.revision, made: true}
	}
	var v leaseValue
	if revision > 0 {
		switch _, err := decode(b, maxLeaseValue, &v); {
		case errors.Is(err, errVersion):
			return nil, fmt.Errorf("the lease is %w: upgrade this member", err)
		case err != nil && l.cfg.Key == nil:
			return nil, fmt.Errorf("the lease is %w", err)
		case err != nil: // somebody has damaged it; this member can repair it
			v = leaseValue{}
		}
		l.note(func(s *LeaseState) { s.Holder = printable(v.Member) })
	}
	wait := max(l.cfg.Duration, min(time.Duration(v.Duration)*time.Millisecond, maxLease))
	switch {
	case t-seen.since >= wait:
	// seen here, so that it is no old state of a store that lost data
	case v.Released && seen.follows:
	case v.Instance == l.instance: // of this process, which has no tenure
	default:
		return nil, nil
	}
	return l.take(ctx, v, revision)
}

// take replaces the lease that was seen.
func (l *Lease) take(ctx context.Context, v leaseValue, revision uint64) (*Tenure, error) {
	key, err := l.key(&v)
	if err != nil {
		return nil, err
	}
	v.V, v.Identity, v.ID, v.Released = version, l.cfg.Identity, key.ID().String(), false
	v.Member, v.Instance, v.Nonce, v.Duration = l.cfg.Member, l.instance, random(), l.cfg.Duration.Milliseconds()
	r := v.record(key.ID())
	if r == nil {
		v.Record, v.By = "", ""
	}
	t := &Tenure{Key: key, Record: r, RecordBy: v.By, l: l, value: v, done: make(chan struct{}), stop: make(chan struct{}), turn: make(chan struct{}, 1)}
	err = l.call(ctx, func(ctx context.Context) (err error) { return t.put(ctx, v, revision) })
	if errors.Is(err, errConflict) {
		return nil, nil // another one was faster
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.holding = t
	l.state.Role, l.state.Holder, l.state.ID, l.state.Err = Active, l.cfg.Member, key.ID(), ""
	l.state.Taken++
	l.mu.Unlock()
	t.turn <- struct{}{}
	l.cfg.Log.Info("this member is active", "identity", l.cfg.Identity, "id", key.ID())
	go t.run()
	return t, nil
}

// key returns the key of the identity, and puts it into v if the store is to hold it.
func (l *Lease) key(v *leaseValue) (key *enr.PrivateKey, err error) {
	key = l.cfg.Key
	switch {
	case len(l.cfg.Secret) > 0 && len(v.Key) > 0:
		stored, err := open(l.cfg.Secret, l.cfg.Identity, v.Key)
		if err != nil {
			return nil, err
		}
		if key == nil {
			key = stored
		}
	case key == nil && v.ID != "" && len(l.cfg.Secret) == 0:
		return nil, fmt.Errorf("%w: this member has neither the key of %s nor the secret", ErrIdentity, l.cfg.Identity)
	}
	if key == nil {
		if l.cfg.NewKey == nil {
			return nil, fmt.Errorf("%w: the store has no key", ErrIdentity)
		}
		if key, err = l.cfg.NewKey(); err != nil {
			return nil, err
		}
	}
	if v.ID != "" && v.ID != key.ID().String() {
		return nil, fmt.Errorf("%w: %s is node %s, and this member has the key of %s", ErrIdentity, l.cfg.Identity, printable(v.ID), key.ID().Short())
	}
	if len(l.cfg.Secret) > 0 && len(v.Key) == 0 {
		v.Key = seal(l.cfg.Secret, l.cfg.Identity, key)
	}
	return key, nil
}

// record returns the record of v if it is one of the identity.
func (v *leaseValue) record(id enr.ID) *enr.Record {
	if v.Record == "" {
		return nil
	}
	r, err := enr.ParseText(v.Record)
	if err != nil || r.ID() != id {
		return nil
	}
	return r
}

// printable returns a name from the store for people: bounded, and without control characters.
func printable(s string) string {
	if ValidName(s) {
		return s
	}
	return oneLine(fmt.Errorf("%.64q", s))
}
