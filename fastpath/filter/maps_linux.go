package filter

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// unixNoPrealloc is BPF_F_NO_PREALLOC: a hash table takes memory for the entries that it has.
const unixNoPrealloc = 1

// batch is the number of entries of one system call.
const batch = 1024

// maps are the tables that all programs of a filter share.
type maps struct {
	held       *ebpf.Map // endpoint -> 4 bytes
	locals     *ebpf.Map // endpoint -> 4 bytes; the node's own endpoints
	handshakes *ebpf.Map // endpoint -> end in nanoseconds, datagrams left
	prefixes   *ebpf.Map // prefix -> state of its bucket
	total      *ebpf.Map // state of the bucket of all unknown sources
	counts     *ebpf.Map // datagrams by cause, for each CPU
}

func newMaps(held int) (m *maps, err error) {
	m = &maps{}
	for _, s := range []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&m.held, ebpf.MapSpec{Name: "d5_held", Type: ebpf.Hash, KeySize: endpointSize, ValueSize: 4, MaxEntries: uint32(max(held, 1)), Flags: unixNoPrealloc}},
		{&m.locals, ebpf.MapSpec{Name: "d5_locals", Type: ebpf.Hash, KeySize: endpointSize, ValueSize: 4, MaxEntries: Locals, Flags: unixNoPrealloc}},
		{&m.handshakes, ebpf.MapSpec{Name: "d5_handshakes", Type: ebpf.LRUHash, KeySize: endpointSize, ValueSize: 16, MaxEntries: Handshakes}},
		{&m.prefixes, ebpf.MapSpec{Name: "d5_prefixes", Type: ebpf.LRUHash, KeySize: prefixSize, ValueSize: 8, MaxEntries: Prefixes}},
		{&m.total, ebpf.MapSpec{Name: "d5_total", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}},
		{&m.counts, ebpf.MapSpec{Name: "d5_counts", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: numCauses}},
	} {
		if *s.to, err = ebpf.NewMap(&s.spec); err != nil {
			m.close()
			return nil, fmt.Errorf("create table %s: %w", s.spec.Name, err)
		}
	}
	return m, nil
}

func (m *maps) close() {
	for _, p := range []*ebpf.Map{m.held, m.locals, m.handshakes, m.prefixes, m.total, m.counts} {
		p.Close() // does nothing if it is nil
	}
}

// count returns the datagrams of one cause.
func (m *maps) count(cause uint32) (n uint64) {
	var all []uint64
	if m.counts.Lookup(cause, &all) != nil {
		return 0
	}
	for _, v := range all {
		n += v
	}
	return n
}

// add implements table.
func (m *maps) add(keys []endpoint) (failed []endpoint) {
	for len(keys) > 0 {
		some := keys[:min(len(keys), batch)]
		keys = keys[len(some):]
		if _, err := m.held.BatchUpdate(some, make([]uint32, len(some)), nil); err == nil {
			continue
		}
		// A full table, or a kernel without batches (Linux 5.6): one by one.
		for _, k := range some {
			if m.held.Put(k, uint32(0)) != nil {
				failed = append(failed, k)
			}
		}
	}
	return failed
}

// remove implements table.
func (m *maps) remove(keys []endpoint) {
	for len(keys) > 0 {
		some := keys[:min(len(keys), batch)]
		keys = keys[len(some):]
		if _, err := m.held.BatchDelete(some, nil); err == nil {
			continue
		}
		for _, k := range some {
			_ = m.held.Delete(k) // it may be gone
		}
	}
}

// setLocals makes the node's own endpoints those of want.
func (m *maps) setLocals(want map[endpoint]bool) error {
	var k endpoint
	var v uint32
	var gone []endpoint
	for it := m.locals.Iterate(); it.Next(&k, &v); {
		if !want[k] {
			gone = append(gone, k)
		}
	}
	for _, k := range gone {
		if err := m.locals.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("remove own address: %w", err)
		}
	}
	for k := range want {
		if err := m.locals.Put(k, uint32(0)); err != nil {
			return fmt.Errorf("add own address: %w", err)
		}
	}
	return nil
}
