package enr

import (
	"bytes"
	"iter"
	"net/netip"

	"github.com/fastdisc/discv5/internal/rlp"
)

const (
	schemeV4 = "v4"
)

// View reads a record in the caller's bytes. Its structure is checked, its signature is not: call
// Verify or Own before you believe its content. ParseView and SplitView return Views; the zero View
// is an empty record that does not verify.
//
// A View is small and copied by value. It is valid until the bytes that it was made from are
// changed or reused. The slices that it returns are parts of those bytes; do not change them. No
// accessor allocates.
type View struct {
	bytes []byte // the record; at most MaxSize, so 16 bits hold an offset
	seq   uint64

	sigLen  uint16 // the signature ends at content
	content uint16 // offset of seq, where the signed part starts
	pairs   uint16 // offset of the first key

	// Offsets of contents, 0 if absent.
	id, idLen uint16
	key       uint16
	ip, ip6   uint16

	// Ports, 0 if absent or invalid.
	udp, udp6, tcp, tcp6 uint16

	hasKey bool // there is a secp256k1 pair of any size
}

// Bytes returns the encoding of the record, at most MaxSize bytes.
func (v View) Bytes() []byte { return v.bytes }

// Seq returns the sequence number.
func (v View) Seq() uint64 { return v.seq }

// Signature returns the signature: for scheme "v4" 64 bytes, r || s.
func (v View) Signature() []byte {
	return v.bytes[v.content-v.sigLen : v.content : v.content]
}

// IdentityScheme returns the value of "id".
func (v View) IdentityScheme() []byte { return v.bytes[v.id : v.id+v.idLen : v.id+v.idLen] }

// PublicKey returns the value of "secp256k1" if it is a string of 33 bytes, as scheme "v4"
// requires. Only Verify and NodeID check that it is a point on the curve.
func (v View) PublicKey() (pub [PublicKeySize]byte, ok bool) {
	if v.key == 0 {
		return pub, false
	}
	return *v.publicKey(), true
}

// publicKey requires v.key != 0. The result points into the record.
func (v View) publicKey() *[PublicKeySize]byte {
	return (*[PublicKeySize]byte)(v.bytes[v.key:])
}

// Get returns the value of key as raw RLP, header included.
func (v View) Get(key string) (value []byte, ok bool) {
	for p := v.bytes[v.pairs:]; len(p) > 0; {
		var k []byte
		k, value, p = nextPair(p)
		if string(k) == key {
			return value, true
		}
		if string(k) > key { // keys are sorted
			break
		}
	}
	return nil, false
}

// Pairs iterates over keys (their content) and values (raw RLP, including the header) in order.
func (v View) Pairs() iter.Seq2[[]byte, []byte] {
	return func(yield func(k, value []byte) bool) {
		for p := v.bytes[v.pairs:]; len(p) > 0; {
			var k, value []byte
			if k, value, p = nextPair(p); !yield(k, value) {
				return
			}
		}
	}
}

// nextPair splits the first pair off p, which consists of well-formed pairs.
func nextPair(p []byte) (key, value, rest []byte) {
	key, p, _ = rlp.String(p)
	value, rest, _ = rlp.Value(p)
	return key, value, rest
}

// Equal reports whether both records have the same bytes.
func (v View) Equal(other View) bool { return bytes.Equal(v.bytes, other.bytes) }

// IP4 returns the value of "ip". This and all accessors below report an entry whose value does not
// fit its key as absent; Check distinguishes the cases.
func (v View) IP4() (netip.Addr, bool) {
	if v.ip == 0 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(v.bytes[v.ip:])), true
}

// IP6 returns the value of "ip6", which is never an IPv4-mapped address.
func (v View) IP6() (netip.Addr, bool) {
	if v.ip6 == 0 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(v.bytes[v.ip6:])), true
}

// UDP returns the port of "udp".
func (v View) UDP() (uint16, bool) { return v.udp, v.udp != 0 }

// UDP6 returns the UDP port for IPv6: "udp6", else "udp" (enr.md, Record Structure).
func (v View) UDP6() (uint16, bool) { return orElse(v.udp6, v.udp) }

// TCP returns the port of "tcp".
func (v View) TCP() (uint16, bool) { return v.tcp, v.tcp != 0 }

// TCP6 returns the TCP port for IPv6: "tcp6", else "tcp" (enr.md, Record Structure).
func (v View) TCP6() (uint16, bool) { return orElse(v.tcp6, v.tcp) }

// QUIC returns the port of "quic", a key that enr.md does not define.
func (v View) QUIC() (uint16, bool) { return v.portOf("quic") }

// QUIC6 returns the port of "quic6" like QUIC. It does not fall back to "quic".
func (v View) QUIC6() (uint16, bool) { return v.portOf("quic6") }

// UDPEndpoint4 returns the IPv4 endpoint for discovery packets: "ip" and "udp".
func (v View) UDPEndpoint4() (netip.AddrPort, bool) {
	a, ok := v.IP4()
	p, has := v.UDP()
	return endpoint(a, ok, p, has)
}

// UDPEndpoint6 returns the IPv6 endpoint for discovery packets: "ip6" and UDP6.
func (v View) UDPEndpoint6() (netip.AddrPort, bool) {
	a, ok := v.IP6()
	p, has := v.UDP6()
	return endpoint(a, ok, p, has)
}

// TCPEndpoint4 returns "ip" and "tcp".
func (v View) TCPEndpoint4() (netip.AddrPort, bool) {
	a, ok := v.IP4()
	p, has := v.TCP()
	return endpoint(a, ok, p, has)
}

// TCPEndpoint6 returns "ip6" and TCP6.
func (v View) TCPEndpoint6() (netip.AddrPort, bool) {
	a, ok := v.IP6()
	p, has := v.TCP6()
	return endpoint(a, ok, p, has)
}

// QUICEndpoint4 returns where the node takes QUIC connections over IPv4: "ip" and "quic".
func (v View) QUICEndpoint4() (netip.AddrPort, bool) {
	a, ok := v.IP4()
	p, has := v.QUIC()
	return endpoint(a, ok, p, has)
}

// QUICEndpoint6 returns where the node takes QUIC connections over IPv6: "ip6" and "quic6".
func (v View) QUICEndpoint6() (netip.AddrPort, bool) {
	a, ok := v.IP6()
	p, has := v.QUIC6()
	return endpoint(a, ok, p, has)
}

// GetUint returns the value of key if it is an integer of at most 64 bits: an RLP string of its
// big-endian bytes without leading zeros.
func (v View) GetUint(key string) (n uint64, ok bool) {
	value, ok := v.Get(key)
	if !ok {
		return 0, false
	}
	n, err := integer(value)
	return n, err == nil
}

func orElse(p, fallback uint16) (uint16, bool) {
	if p == 0 {
		p = fallback
	}
	return p, p != 0
}

func (v View) portOf(key string) (uint16, bool) {
	value, ok := v.Get(key)
	if !ok {
		return 0, false
	}
	p, err := port(value)
	return p, err == nil
}

func endpoint(a netip.Addr, hasAddr bool, port uint16, hasPort bool) (netip.AddrPort, bool) {
	if !hasAddr || !hasPort {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a, port), true
}
