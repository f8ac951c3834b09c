package fleet

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/enr"
)

const (
	memberBytes    = 16 << 20
	maxMemberValue = 4 << 10
	memberTTL      = time.Minute
	// maxMembers bounds the members that are known.
	maxMembers = 256
)

// memberValue is an entry of the bucket of members, whose key is the name.
type memberValue struct {
	V        int64  `json:"v"`
	Name     string `json:"name"`
	Instance string `json:"instance"`
	Program  string `json:"program"`
	Role     Role   `json:"role,omitempty"` // of an identity
	Record   string `json:"enr,omitempty"`
	Load     Load   `json:"load"`
	Beat     uint64 `json:"beat"`
}

func (v *memberValue) version() int64 { return v.V }

// Info is a member of the fleet, as it describes itself.
type Info struct {
	Name    string
	Self    bool
	Program string
	Role    Role // empty: it shares no identity
	ID      enr.ID
	Load    Load
	// Age is the time since its last heartbeat reached this member.
	Age time.Duration
}

// presence is what a member knows of another one.
type presence struct {
	revision uint64
	at       time.Duration // when the revision was first seen, on this member's clock
	info     Info
	record   *enr.Record
}

// beat writes the heartbeat and reads those of others.
func (m *Member) beat(ctx context.Context) error {
	n := m.current()
	v := memberValue{V: version, Name: m.cfg.Name, Instance: m.instance, Program: m.cfg.Version}
	if m.cfg.Lease != nil {
		v.Role = m.cfg.Lease.State().Role
	}
	if n != nil && n.Record != nil {
		v.Record, v.Load = n.Record().String(), n.Load()
	}
	m.mu.Lock()
	m.beats++
	v.Beat = m.beats
	m.mu.Unlock()
	err := m.members.do(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
		_, err := kv.Put(ctx, m.cfg.Name, encode(&v))
		return err
	})
	if err != nil {
		m.counts.add(WritesFailed)
		return err
	}
	m.noteWrite()
	read := make(map[string]*presence)
	duplicate := false
	err = m.members.each(ctx, func(e jetstream.KeyValueEntry) bool {
		p, instance, err := m.readMember(e)
		if err != nil {
			m.counts.skip(err)
			return true
		}
		if e.Key() == m.cfg.Name && instance != m.instance {
			duplicate = true
		}
		read[e.Key()] = p
		return len(read) < maxMembers
	})
	if err != nil {
		m.counts.add(ReadsFailed)
		return err
	}
	m.mu.Lock()
	came := false
	for name, p := range read {
		old := m.others[name]
		if old != nil && old.revision == p.revision {
			p.at = old.at
		}
		came = came || p.record != nil && (old == nil || old.record == nil)
	}
	m.others = read
	m.mu.Unlock()
	if came { // its node is a candidate
		m.wake()
	}
	if duplicate {
		return errors.New("another process uses the name " + m.cfg.Name + " in this fleet")
	}
	return nil
}

// readMember checks an entry of another member.
func (m *Member) readMember(e jetstream.KeyValueEntry) (p *presence, instance string, err error) {
	if !ValidName(e.Key()) {
		return nil, "", errKey
	}
	var v memberValue
	extra, err := decode(e.Value(), maxMemberValue, &v)
	if err != nil {
		return nil, "", err
	}
	if extra {
		m.counts.add(NewerFields)
	}
	if v.Name != e.Key() {
		return nil, "", errKey
	}
	p = &presence{revision: e.Revision(), at: now(), info: Info{
		Name: v.Name, Self: v.Name == m.cfg.Name, Program: printable(v.Program), Role: v.Role, Load: v.Load,
	}}
	if !slices.Contains([]Role{"", Standby, Active, Silenced}, v.Role) {
		p.info.Role = ""
	}
	if v.Record != "" {
		r, err := enr.ParseText(v.Record)
		if err != nil {
			return nil, "", errRecord
		}
		p.record, p.info.ID = r, r.ID()
	}
	return p, v.Instance, nil
}

// present returns the members that are alive. m.mu is held.
func (m *Member) present(t time.Duration) (list []Info) {
	for _, p := range m.others {
		if p.info.Age = t - p.at; p.info.Age < aliveFor {
			list = append(list, p.info)
		}
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// memberRecords returns the records of the other members.
func (m *Member) memberRecords() (list []*enr.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.others)) {
		if p := m.others[name]; p.record != nil && !p.info.Self {
			list = append(list, p.record)
		}
	}
	return list
}

func (m *Member) noteWrite() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Wrote = time.Now()
}
