package codec

import "github.com/fastdisc/discv5/internal/rlp"

// TalkRequest is the request of an application protocol (TALKREQ, 0x05).
type TalkRequest struct {
	RequestID RequestID
	Protocol  []byte
	Payload   []byte
}

// talkOverhead is an upper bound of the size of a TALKREQ message without protocol and payload:
// type byte, list header (3), request ID (9) and two string headers (3 each).
const talkOverhead = 1 + 3 + 1 + MaxRequestID + 3 + 3

// MaxTalkRequest is the largest total size, in bytes, of protocol and payload that fits into any
// message packet. A handshake packet has less room, so a large request must follow it in its own
// packet.
const MaxTalkRequest = MaxMessageSize - talkOverhead

// MaxTalkResponse is the largest payload, in bytes, that fits into any TALKRESP packet.
const MaxTalkResponse = MaxMessageSize - talkOverhead + 3

// Append appends the message with its type byte.
func (m *TalkRequest) Append(dst []byte) []byte {
	dst = begin(dst, TypeTalkRequest, &m.RequestID, rlp.StringSize(m.Protocol)+rlp.StringSize(m.Payload))
	dst = rlp.AppendString(dst, m.Protocol)
	return rlp.AppendString(dst, m.Payload)
}

// Decode decodes the list that SplitMessage returned. Protocol and Payload point into body.
func (m *TalkRequest) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	if m.Protocol, b, err = rlp.String(b); err != nil {
		return err
	}
	m.Payload, b, err = rlp.String(b)
	return end(b, err)
}

// TalkResponse answers TALKREQ (TALKRESP, 0x06). An empty payload means that the protocol is
// unknown.
type TalkResponse struct {
	RequestID RequestID
	Payload   []byte
}

// Append appends the message with its type byte.
func (m *TalkResponse) Append(dst []byte) []byte {
	dst = begin(dst, TypeTalkResponse, &m.RequestID, rlp.StringSize(m.Payload))
	return rlp.AppendString(dst, m.Payload)
}

// Decode decodes the list that SplitMessage returned. Payload points into body.
func (m *TalkResponse) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	m.Payload, b, err = rlp.String(b)
	return end(b, err)
}
