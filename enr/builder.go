package enr

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/fastdisc/discv5/internal/rlp"
)

// Builder collects the pairs of a record to be signed. Its methods return the Builder, so you can
// chain calls. It keeps the first error, which Sign returns. A Builder is not safe for concurrent
// use. You can sign several times.
type Builder struct {
	seq   uint64
	pairs []pair // sorted by key, keys unique
	err   error
}

type pair struct {
	key   string
	value []byte // RLP; never changed once stored
	kept  bool   // from the record that Edit was called on, so it may not fit its key
}

// NewBuilder returns a builder without pairs and with seq 1.
func NewBuilder() *Builder { return &Builder{seq: 1} }

// SetSeq sets the sequence number.
func (b *Builder) SetSeq(seq uint64) *Builder {
	b.seq = seq
	return b
}

// Set sets key to a copy of an RLP value, including its header. Sign checks that it is one
// canonical RLP value and fits its key. Sign sets "id" and "secp256k1" itself.
func (b *Builder) Set(key string, rlpValue []byte) *Builder {
	return b.put(key, slices.Clone(rlpValue))
}

// SetBytes sets key to an RLP string.
func (b *Builder) SetBytes(key string, s []byte) *Builder {
	return b.put(key, rlp.AppendString(nil, s))
}

// SetString sets key to an RLP string.
func (b *Builder) SetString(key, s string) *Builder { return b.SetBytes(key, []byte(s)) }

// SetUint sets key to an RLP integer.
func (b *Builder) SetUint(key string, v uint64) *Builder {
	return b.put(key, rlp.AppendUint64(nil, v))
}

// SetIP sets "ip" for an IPv4 or IPv4-mapped address, and otherwise "ip6". It drops a zone. ErrIP:
// addr is the zero Addr.
func (b *Builder) SetIP(addr netip.Addr) *Builder {
	addr = addr.Unmap()
	switch {
	case addr.Is4():
		return b.SetBytes("ip", addr.AsSlice())
	case addr.Is6():
		return b.SetBytes("ip6", addr.AsSlice())
	}
	return b.fail(ErrIP)
}

// SetUDP sets "udp". ErrPortZero: port is 0. Use Delete to remove a port.
func (b *Builder) SetUDP(port uint16) *Builder { return b.setPort("udp", port) }

// SetUDP6 sets "udp6" like SetUDP. Some implementations do not fall back to "udp" for IPv6, so set
// both even if they are equal.
func (b *Builder) SetUDP6(port uint16) *Builder { return b.setPort("udp6", port) }

// SetTCP sets "tcp" like SetUDP.
func (b *Builder) SetTCP(port uint16) *Builder { return b.setPort("tcp", port) }

// SetTCP6 sets "tcp6" like SetUDP.
func (b *Builder) SetTCP6(port uint16) *Builder { return b.setPort("tcp6", port) }

// SetQUIC sets "quic" like SetUDP.
func (b *Builder) SetQUIC(port uint16) *Builder { return b.setPort("quic", port) }

// SetQUIC6 sets "quic6" like SetUDP.
func (b *Builder) SetQUIC6(port uint16) *Builder { return b.setPort("quic6", port) }

// Delete removes a pair if it exists.
func (b *Builder) Delete(key string) *Builder {
	if i, found := b.find(key); found {
		b.pairs = slices.Delete(b.pairs, i, i+1)
	}
	return b
}

// Sign adds "id" and "secp256k1", signs with scheme "v4" and returns the record. It returns the
// first error of an earlier call, ErrTooLarge if the record has more than MaxSize bytes, or an
// *EntryError for a value of ip, ip6, udp, udp6, tcp or tcp6 that does not fit its key. It accepts
// a tcp or tcp6 port of 0, and entries that Edit took from a record.
func (b *Builder) Sign(k *PrivateKey) (*Record, error) {
	if b.err != nil {
		return nil, b.err
	}
	b.SetString("id", schemeV4).SetBytes("secp256k1", k.pub[:])

	content := rlp.AppendUint64(nil, b.seq)
	for _, p := range b.pairs {
		// This also refuses two values, or none.
		if _, rest, err := rlp.Value(p.value); err != nil {
			return nil, structureError(err)
		} else if len(rest) != 0 {
			return nil, ErrTrailing
		}
		if err := p.check(); err != nil {
			return nil, err
		}
		content = append(rlp.AppendString(content, []byte(p.key)), p.value...)
		if len(content) > MaxSize {
			return nil, ErrTooLarge
		}
	}
	digest := contentDigest(content)
	sig, err := k.Sign(&digest)
	if err != nil {
		return nil, err
	}
	size := rlp.StringSize(sig[:]) + len(content)
	record := rlp.AppendListHeader(make([]byte, 0, rlp.HeaderSize(size)+size), size)
	record = append(rlp.AppendString(record, sig[:]), content...)

	v, err := ParseView(record)
	if err != nil {
		return nil, err
	}
	return &Record{view: v, id: k.id}, nil
}

func (b *Builder) setPort(key string, port uint16) *Builder {
	if port == 0 {
		return b.fail(ErrPortZero)
	}
	return b.SetUint(key, uint64(port))
}

func (b *Builder) put(key string, value []byte) *Builder {
	i, found := b.find(key)
	if found {
		b.pairs[i] = pair{key: key, value: value}
	} else {
		b.pairs = slices.Insert(b.pairs, i, pair{key: key, value: value})
	}
	return b
}

// check refuses values that readers would ignore. value is one canonical RLP value.
func (p pair) check() error {
	var err error
	switch p.key {
	case "ip", "ip6", "udp", "udp6":
		err = checkEntry(p.key, p.value)
	case "tcp", "tcp6":
		if err = checkEntry(p.key, p.value); err == ErrPortZero {
			err = nil // a node that does not listen
		}
	}
	if err == nil || p.kept {
		return nil
	}
	return &EntryError{Key: p.key, Err: err}
}

func (b *Builder) find(key string) (int, bool) {
	return slices.BinarySearchFunc(b.pairs, key, func(p pair, key string) int {
		return strings.Compare(p.key, key)
	})
}

func (b *Builder) fail(err error) *Builder {
	if b.err == nil {
		b.err = err
	}
	return b
}
