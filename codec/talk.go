package codec

import "github.com/fastdisc/discv5/internal/rlp"

// TalkRequest carries an application's request (TALKREQ, 0x05).
type TalkRequest struct {
	RequestID RequestID
	Protocol  []byte
	Payload   []byte
}

// talkOverhead is an upper bound for what TALKREQ takes beside protocol and payload: type byte,
// list header (3), request ID (9) and two string headers (3 each).
const talkOverhead = 1 + 3 + 1 + MaxRequestID + 3 + 3

// MaxTalkRequest is how many bytes protocol and payload together may have so that the request
// always fits into a packet. A handshake packet has less room: there the request has to follow in a
// packet of its own.
const MaxTalkRequest = MaxMessageSize - talkOverhead

// MaxTalkResponse is how many bytes of payload always fit into a TALKRESP packet.
const MaxTalkResponse = MaxMessageSize - talkOverhead + 3

// Append appends the message with its type byte.
func (m *TalkRequest) Append(dst []byte) []byte {
	dst = begin(dst, TypeTalkRequest, &m.RequestID, rlp.StringSize(m.Protocol)+rlp.StringSize(m.Payload))
	dst = rlp.AppendString(dst, m.Protocol)
	return rlp.AppendString(dst, m.Payload)
}

// Decode reads the list that SplitMessage returned. Protocol and Payload point into body.
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

// TalkResponse answers TALKREQ (TALKRESP, 0x06). An empty payload says that the protocol is
// not known.
type TalkResponse struct {
	RequestID RequestID
	Payload   []byte
}

// Append appends the message with its type byte.
func (m *TalkResponse) Append(dst []byte) []byte {
	dst = begin(dst, TypeTalkResponse, &m.RequestID, rlp.StringSize(m.Payload))
	return rlp.AppendString(dst, m.Payload)
}

// Decode reads the list that SplitMessage returned. Payload points into body.
func (m *TalkResponse) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	m.Payload, b, err = rlp.String(b)
	return end(b, err)
}
