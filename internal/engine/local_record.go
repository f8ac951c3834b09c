package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/goid"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// endpointOf returns the endpoint of a family that a record names.
func endpointOf(r *enr.Record, family netaddr.Family) (a netip.AddrPort) {
	if family == netaddr.IPv4 {
		a, _ = r.UDPEndpoint4()
	} else {
		a, _ = r.UDPEndpoint6()
	}
	return a
}

// setEndpoint replaces the endpoint of a family in the local record, or removes it if to is the
// zero value, and reports that as an event. The TCP port stays: only the program changes it.
func (w *Worker) setEndpoint(family netaddr.Family, to netip.AddrPort, kind EventKind) bool {
	fixed := false
	// A function of the program may be changing the record now, and wait for Tick. The votes are
	// counted again soon.
	if !w.e.recordLock.try() {
		return false
	}
	defer w.e.recordLock.unlock()
	err := w.e.updateRecord(func(b *enr.Builder) {
		if fixed = w.e.address.isFixed(family); fixed { // since the votes were counted
			return
		}
		if to.IsValid() {
			w.e.PutEndpoint(b, to)
		} else {
			deleteEndpoint(b, family)
		}
	})
	if err != nil || fixed {
		return false
	}
	w.e.event(Event{Kind: kind, ID: w.e.self, Addr: to, Record: w.e.Record(), Family: family})
	return true
}

// PutEndpoint makes the record that b builds name an endpoint in place of the one of its family,
// for UpdateRecord. It removes the endpoint of the other family if fewer hosts can reach it and it
// is not pinned, such as a private one beside a public one. Other nodes refuse such a record,
// because it would make them send datagrams into their own networks.
func (e *Engine) PutEndpoint(b *enr.Builder, to netip.AddrPort) {
	family := netaddr.FamilyOf(to.Addr())
	if b.SetIP(to.Addr()); family == netaddr.IPv4 {
		b.SetUDP(to.Port())
	} else {
		b.SetUDP6(to.Port())
	}
	other := endpointOf(e.Record(), family.Other())
	if other.IsValid() && netaddr.ClassOf(other.Addr()) > netaddr.ClassOf(to.Addr()) && !e.address.isFixed(family.Other()) {
		deleteEndpoint(b, family.Other())
	}
}

func deleteEndpoint(b *enr.Builder, family netaddr.Family) {
	if family == netaddr.IPv4 {
		b.Delete("ip").Delete("udp")
	} else {
		b.Delete("ip6").Delete("udp6")
	}
}

// ErrRecord means that a change of the local record cannot be made.
var ErrRecord = errors.New("discv5: change of the local record")

// UpdateRecord makes a new local record: the old one as changed by change, with a higher sequence
// number. If change alters nothing, the record stays and is not saved. Changes are serialized. If
// the result cannot be signed or saved, the record stays. A call from within change or
// Config.SaveRecord returns ErrNested, and a call that waits while the engine is closed returns
// ErrClosed.
func (e *Engine) UpdateRecord(change func(*enr.Builder)) error {
	if err := e.recordLock.lock(e.closing); err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	defer e.recordLock.unlock()
	return e.updateRecord(change)
}

// updateRecord is UpdateRecord with the lock held.
func (e *Engine) updateRecord(change func(*enr.Builder)) error {
	old := e.Record()
	b := old.Edit()
	if change(b); !b.Changes(old) {
		return nil
	}
	r, err := b.Sign(e.cfg.Key)
	if err == nil && r.Seq() <= old.Seq() {
		err = ErrRecordOld // peers would keep theirs
	}
	if err == nil && e.cfg.SaveRecord != nil {
		err = e.cfg.SaveRecord(r)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	e.setLocal(r)
	return nil
}

// ErrNested means that a change of the local record was requested from within another one, by the
// function that makes it or by Config.SaveRecord. It would wait for itself.
var ErrNested = errors.New("discv5: the local record is being changed by the caller of this function")

// recordLock serializes changes of the local record. They call functions of the program, so nothing
// that such a function may wait for waits for the lock.
type recordLock struct {
	held   chan struct{}
	holder atomic.Uint64 // goroutine that holds it
}

func (l *recordLock) init() { l.held = make(chan struct{}, 1) }

// lock waits for the lock. It fails with ErrNested, or with ErrClosed if the engine is closed
// meanwhile.
func (l *recordLock) lock(closing <-chan struct{}) error {
	if id := goid.ID(); id != 0 && l.holder.Load() == id {
		return ErrNested
	}
	if l.try() {
		return nil
	}
	select {
	case l.held <- struct{}{}:
		l.holder.Store(goid.ID())
		return nil
	case <-closing:
		return ErrClosed
	}
}

// try takes the lock if it is free.
func (l *recordLock) try() bool {
	select {
	case l.held <- struct{}{}:
		l.holder.Store(goid.ID())
		return true
	default:
		return false
	}
}

func (l *recordLock) unlock() {
	l.holder.Store(0)
	<-l.held
}

// Shut ends waits for the record lock with ErrClosed. Call it before Worker.Close, as soon as the
// engine must close.
func (e *Engine) Shut() { e.shut.Do(func() { close(e.closing) }) }
