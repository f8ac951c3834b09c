package codec

import (
	"net/netip"

	"github.com/fastdisc/discv5/internal/rlp"
)

// Ping checks whether the recipient is alive (PING, 0x01).
type Ping struct {
	RequestID RequestID
	RecordSeq uint64 // of the sender's record
}

// Append appends the message with its type byte.
func (m *Ping) Append(dst []byte) []byte {
	dst = begin(dst, TypePing, &m.RequestID, rlp.Uint64Size(m.RecordSeq))
	return rlp.AppendUint64(dst, m.RecordSeq)
}

// Decode decodes the list that SplitMessage returned.
func (m *Ping) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	m.RecordSeq, b, err = rlp.Uint64(b)
	return end(b, err)
}

// Pong answers PING (PONG, 0x02).
type Pong struct {
	RequestID RequestID
	RecordSeq uint64 // of the sender's record
	// Recipient is the source of the PING, as the sender of PONG saw it. Append converts an
	// IPv4-mapped address to IPv4, and Decode returns it as IPv4. After Decode, the port may be 0.
	Recipient netip.AddrPort
}

// Append appends the message with its type byte. The recipient's address must be valid.
func (m *Pong) Append(dst []byte) []byte {
	ip, port := m.Recipient.Addr().Unmap(), uint64(m.Recipient.Port())
	if ip.Is4() {
		b := ip.As4()
		return m.append(dst, b[:], port)
	}
	b := ip.As16()
	return m.append(dst, b[:], port)
}

func (m *Pong) append(dst, ip []byte, port uint64) []byte {
	dst = begin(dst, TypePong, &m.RequestID, rlp.Uint64Size(m.RecordSeq)+rlp.StringSize(ip)+rlp.Uint64Size(port))
	dst = rlp.AppendUint64(dst, m.RecordSeq)
	dst = rlp.AppendString(dst, ip)
	return rlp.AppendUint64(dst, port)
}

// Decode decodes the list that SplitMessage returned.
func (m *Pong) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	if m.RecordSeq, b, err = rlp.Uint64(b); err != nil {
		return err
	}
	ip, b, err := rlp.String(b)
	if err != nil {
		return err
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return ErrIPSize
	}
	port, b, err := rlp.Uint16(b)
	m.Recipient = netip.AddrPortFrom(addr.Unmap(), port)
	return end(b, err)
}
