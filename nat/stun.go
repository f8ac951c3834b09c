package nat

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/pion/stun/v3"
)

// Sizes of STUN messages, in bytes.
const (
	// STUNRequestSize is that of a request: a header. RFC 8489, Section 5.
	STUNRequestSize = 20
	// STUNMaxAnswer is that of the longest answer that is read.
	STUNMaxAnswer = 1280
)

// Transaction is one STUN Binding request and the answer to it: a value, without sockets and
// timers. The same Transaction may be sent several times.
type Transaction struct {
	ID     [12]byte       // random, so that an answer can be told from a forged one
	Server netip.AddrPort // the only source that an answer may have
}

// NewTransaction reads a transaction ID from rand, which must not be predictable.
func NewTransaction(rand io.Reader, server netip.AddrPort) (Transaction, error) {
	t := Transaction{Server: netaddr.UnmapPort(server)}
	if _, err := io.ReadFull(rand, t.ID[:]); err != nil {
		return Transaction{}, fail(STUN, "transaction ID", err)
	}
	return t, nil
}

// IsSTUN reports whether a datagram looks like a STUN message: two leading zero bits and the magic
// cookie. One of 2^34 random datagrams does so too.
func IsSTUN(packet []byte) bool {
	return len(packet) >= STUNRequestSize && packet[0]>>6 == 0 && stun.IsMessage(packet)
}

// AppendRequest appends the Binding request, of STUNRequestSize bytes. RFC 8489, Section 6.1.
func (t Transaction) AppendRequest(dst []byte) []byte {
	m := stun.Message{Type: stun.BindingRequest, TransactionID: t.ID}
	m.WriteHeader()
	return append(dst, m.Raw...)
}

// Recognises reports whether a datagram is an answer to this transaction: source, cookie and
// transaction ID are the right ones. It does not allocate.
func (t Transaction) Recognises(packet []byte, from netip.AddrPort) bool {
	return IsSTUN(packet) && bytes.Equal(packet[8:20], t.ID[:]) && netaddr.UnmapPort(from) == t.Server
}

// Decode reads the answer: the address and port that the request came from. packet stays the
// caller's. It is ErrNotAnswer if the datagram is none to this transaction, which must go on; else
// ErrBadAnswer, ErrTooLarge or a *RefusedError. Whether the address is a global one is not looked
// at.
func (t Transaction) Decode(packet []byte, from netip.AddrPort) (netip.AddrPort, error) {
	if !t.Recognises(packet, from) {
		return netip.AddrPort{}, ErrNotAnswer
	}
	if len(packet) > STUNMaxAnswer {
		return netip.AddrPort{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(packet))
	}
	var m stun.Message
	if err := stun.Decode(packet, &m); err != nil {
		return netip.AddrPort{}, bad(err)
	}
	if int(m.Length) != len(packet)-STUNRequestSize || m.Length%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("%w: length %d in %d bytes", ErrBadAnswer, m.Length, len(packet))
	}
	if m.Contains(stun.AttrFingerprint) {
		if err := stun.Fingerprint.Check(&m); err != nil {
			return netip.AddrPort{}, bad(err)
		}
	}
	switch m.Type {
	case stun.BindingSuccess:
		return mappedAddress(&m)
	case stun.BindingError:
		var e stun.ErrorCodeAttribute
		if err := e.GetFrom(&m); err != nil {
			return netip.AddrPort{}, bad(err)
		}
		return netip.AddrPort{}, &RefusedError{Code: int(e.Code), Reason: foreign(string(e.Reason))}
	}
	if m.Type.Class == stun.ClassRequest || m.Type.Class == stun.ClassIndication {
		return netip.AddrPort{}, ErrNotAnswer // our own request, sent back
	}
	return netip.AddrPort{}, fmt.Errorf("%w: %s", ErrBadAnswer, m.Type)
}

// mappedAddress reads XOR-MAPPED-ADDRESS, RFC 8489, Section 14.2. The plain MAPPED-ADDRESS is not
// read: routers rewrite it.
func mappedAddress(m *stun.Message) (netip.AddrPort, error) {
	var x stun.XORMappedAddress
	value, err := m.Get(stun.AttrXORMappedAddress)
	if err == nil && len(value) != 8 && len(value) != 20 {
		err = fmt.Errorf("mapped address of %d bytes", len(value))
	}
	if err == nil {
		err = x.GetFrom(m)
	}
	if err != nil {
		return netip.AddrPort{}, bad(err)
	}
	a, ok := netip.AddrFromSlice(x.IP)
	if !ok || a.Is4() != (len(value) == 8) || x.Port <= 0 || x.Port > 65535 {
		return netip.AddrPort{}, fmt.Errorf("%w: mapped address %s", ErrBadAnswer, x)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(x.Port)), nil
}
