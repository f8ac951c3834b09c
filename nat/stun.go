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
	// stunRequestSize is the size of a request: a header. RFC 8489, Section 5.
	stunRequestSize = 20
	// stunMaxAnswer is the size of the longest accepted answer.
	stunMaxAnswer = 1280
)

// transaction is one STUN Binding request and its answer: a value without sockets and timers. You
// can send a transaction several times.
type transaction struct {
	ID     [12]byte       // random, so that others cannot forge an answer
	Server netip.AddrPort // the only accepted source of an answer
}

// newTransaction reads a transaction ID from rand, which must be unpredictable.
func newTransaction(rand io.Reader, server netip.AddrPort) (transaction, error) {
	t := transaction{Server: netaddr.UnmapPort(server)}
	if _, err := io.ReadFull(rand, t.ID[:]); err != nil {
		return transaction{}, fail(STUN, "transaction ID", err)
	}
	return t, nil
}

// isSTUN reports whether a datagram looks like a STUN message: two leading zero bits and the magic
// cookie. One of 2^34 random datagrams does so too.
func isSTUN(packet []byte) bool {
	return len(packet) >= stunRequestSize && packet[0]>>6 == 0 && stun.IsMessage(packet)
}

// appendRequest appends the Binding request, of stunRequestSize bytes. RFC 8489, Section 6.1.
func (t transaction) appendRequest(dst []byte) []byte {
	m := stun.Message{Type: stun.BindingRequest, TransactionID: t.ID}
	m.WriteHeader()
	return append(dst, m.Raw...)
}

// recognizes reports whether a datagram answers this transaction: it checks source, cookie and
// transaction ID. It does not allocate.
func (t transaction) recognizes(packet []byte, from netip.AddrPort) bool {
	return isSTUN(packet) && bytes.Equal(packet[8:20], t.ID[:]) && netaddr.UnmapPort(from) == t.Server
}

// decode returns the address and port from which the server received the request. It does not keep
// packet. It returns errNotAnswer if the datagram does not answer this transaction, otherwise
// ErrBadAnswer, ErrTooLarge or a *RefusedError. It does not check that the address is global.
func (t transaction) decode(packet []byte, from netip.AddrPort) (netip.AddrPort, error) {
	if !t.recognizes(packet, from) {
		return netip.AddrPort{}, errNotAnswer
	}
	if len(packet) > stunMaxAnswer {
		return netip.AddrPort{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(packet))
	}
	var m stun.Message
	if err := stun.Decode(packet, &m); err != nil {
		return netip.AddrPort{}, bad(err)
	}
	if int(m.Length) != len(packet)-stunRequestSize || m.Length%4 != 0 {
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
		return netip.AddrPort{}, &RefusedError{Code: int(e.Code), Reason: printable(string(e.Reason))}
	}
	if m.Type.Class == stun.ClassRequest || m.Type.Class == stun.ClassIndication {
		return netip.AddrPort{}, errNotAnswer // our own request, reflected
	}
	return netip.AddrPort{}, fmt.Errorf("%w: %s", ErrBadAnswer, m.Type)
}

// mappedAddress reads XOR-MAPPED-ADDRESS, RFC 8489, Section 14.2. It ignores MAPPED-ADDRESS,
// because routers rewrite that attribute.
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
