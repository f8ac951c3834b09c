package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/limits"
)

const (
	banBytes    = 16 << 20
	maxBanValue = 512
	// banTTL is how long a ban lasts after its member has gone, and banRefresh how often a member
	// writes its bans.
	banTTL     = 24 * time.Hour
	banRefresh = time.Hour

	// MaxBans bounds the bans of other members, and maxOwnBans those that a member shares.
	MaxBans    = 4096
	maxOwnBans = 1024
	// A member shares no wider prefixes than these, and ignores wider ones: a ban of another member
	// must not cut a node off.
	banBits4, banBits6 = 16, 32
)

var errBan = errors.New("the ban is not valid")

// Ban is a ban that members share.
type Ban struct {
	Target limits.Target
	Until  time.Time // zero: as long as its member has it
}

// banValue is an entry of the bucket of bans. Its key is the name of the member, a dot, and a hash
// of the target.
type banValue struct {
	V      int64  `json:"v"`
	Target string `json:"target"`
	Until  int64  `json:"until,omitempty"` // Unix seconds
}

func (v *banValue) version() int64 { return v.V }

func banKey(member, target string) string {
	sum := sha256.Sum256([]byte(target))
	return member + "." + hex.EncodeToString(sum[:8])
}

// narrow reports whether members may share a ban of a target.
func narrow(t limits.Target) bool {
	if _, ok := t.Node(); ok {
		return true
	}
	p, ok := t.Prefix()
	switch {
	case !ok:
		return false
	case p.Addr().Is4():
		return p.Bits() >= banBits4
	}
	return p.Bits() >= banBits6
}

// shareBans writes the bans of this member and reads those of others.
func (m *Member) shareBans(ctx context.Context) error {
	n := m.current()
	if n == nil || n.Bans == nil {
		return nil
	}
	own := make(map[string]banValue)
	for _, b := range n.Bans() {
		if !narrow(b.Target) || len(own) == maxOwnBans {
			m.counts.add(SkippedBan)
			continue
		}
		v := banValue{V: version, Target: b.Target.String()}
		if !b.Until.IsZero() {
			v.Until = b.Until.Unix()
		}
		own[banKey(m.cfg.Name, v.Target)] = v
	}
	type gone struct {
		key      string
		revision uint64
	}
	var stale []gone
	var others []Ban
	accepted := uint64(0)
	seen := make(map[limits.Target]int)
	err := m.bans.each(ctx, func(e jetstream.KeyValueEntry) bool {
		name, _, _ := strings.Cut(e.Key(), ".")
		b, v, err := m.readBan(e)
		if name == m.cfg.Name {
			want, ok := own[e.Key()]
			switch {
			case errors.Is(err, errVersion): // of this member, by a newer program that it was
				delete(own, e.Key())
			case !ok:
				stale = append(stale, gone{e.Key(), e.Revision()})
			case err == nil && v == want && time.Since(e.Created()) < banRefresh:
				delete(own, e.Key()) // it is up to date
			}
			return true
		}
		if err == nil && len(others) >= MaxBans {
			err = errBan
		}
		if err != nil {
			m.counts.skip(err)
			return true
		}
		accepted++
		if i, ok := seen[b.Target]; ok { // two members ban it: the longer time counts
			if o := &others[i]; b.Until.IsZero() || !o.Until.IsZero() && b.Until.After(o.Until) {
				o.Until = b.Until
			}
			return true
		}
		seen[b.Target] = len(others)
		others = append(others, b)
		return true
	})
	if err != nil {
		m.counts.add(ReadsFailed)
		return err
	}
	m.counts[BansRead].Add(accepted)
	slices.SortFunc(others, func(a, b Ban) int { return strings.Compare(a.Target.String(), b.Target.String()) })
	n.SetBans(others)
	m.mu.Lock()
	m.state.Bans = len(others)
	m.mu.Unlock()

	err = nil
	for key, v := range own {
		err = errors.Join(err, m.bans.do(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
			_, err := kv.Put(ctx, key, encode(&v))
			return err
		}))
		if err != nil {
			break
		}
	}
	for _, g := range stale {
		if err != nil {
			break
		}
		err = m.bans.do(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
			return kv.Delete(ctx, g.key, jetstream.LastRevision(g.revision))
		})
	}
	if err != nil {
		m.counts.add(WritesFailed)
	}
	return err
}

// readBan checks an entry.
func (m *Member) readBan(e jetstream.KeyValueEntry) (b Ban, v banValue, err error) {
	extra, err := decode(e.Value(), maxBanValue, &v)
	if extra {
		m.counts.add(NewerFields)
	}
	if err != nil {
		return b, v, err
	}
	name, _, ok := strings.Cut(e.Key(), ".")
	if !ok || !ValidName(name) || e.Key() != banKey(name, v.Target) {
		return b, v, errKey
	}
	b.Target, err = limits.ParseTarget(v.Target)
	if err != nil || !narrow(b.Target) {
		return b, v, errBan
	}
	if v.Until != 0 {
		b.Until = time.Unix(v.Until, 0)
		if !b.Until.After(time.Now()) {
			return b, v, errBan
		}
	}
	return b, v, nil
}
