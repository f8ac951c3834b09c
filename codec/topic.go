package codec

import "github.com/fastdisc/discv5/internal/rlp"

// TopicSize is the size of a topic, also called service identifier, in bytes.
const TopicSize = 32

// MaxTicketSize is the largest accepted ticket in a REGCONFIRMATION, in bytes. An advertiser sends
// a ticket back, and REGTOPIC with a record and distances must fit into a packet.
const MaxTicketSize = 256

// MaxTopicDistances is the number of distances that fit into every REGTOPIC. Decode accepts more.
const MaxTopicDistances = 64

// RegTopic asks to register the sender for a topic (REGTOPIC, 0x07).
//
// Two orders of its fields are in use: the specification puts the record before the ticket, and the
// reference fork of go-ethereum the ticket before the record. As the record is a list and the
// ticket a string, Decode tells them apart and accepts both.
type RegTopic struct {
	RequestID RequestID
	Topic     [TopicSize]byte
	Record    []byte    // of the sender, encoded; Decode checks only that it is an RLP list
	Ticket    []byte    // issued by the recipient earlier; empty on the first attempt
	Distances Distances // from Topic, at which the sender would like to get records
	// TicketFirst is set for the order of the reference fork: ticket, record.
	TicketFirst bool
}

// Append appends the message with its type byte.
func (m *RegTopic) Append(dst []byte) []byte {
	dst = begin(dst, TypeRegTopic, &m.RequestID,
		1+TopicSize+len(m.Record)+rlp.StringSize(m.Ticket)+m.Distances.size())
	dst = rlp.AppendString(dst, m.Topic[:])
	if m.TicketFirst {
		dst = rlp.AppendString(dst, m.Ticket)
		dst = append(dst, m.Record...)
	} else {
		dst = append(dst, m.Record...)
		dst = rlp.AppendString(dst, m.Ticket)
	}
	return m.Distances.append(dst)
}

// Decode reads the list that SplitMessage returned, in either order. Record, Ticket and Distances
// point into body.
func (m *RegTopic) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	if b, err = readTopic(b, &m.Topic); err != nil {
		return err
	}
	if m.TicketFirst = len(b) > 0 && b[0] < 0xc0; m.TicketFirst {
		if m.Ticket, b, err = rlp.String(b); err != nil {
			return err
		}
		if m.Record, b, err = readRecord(b); err != nil {
			return err
		}
	} else {
		if m.Record, b, err = readRecord(b); err != nil {
			return err
		}
		if m.Ticket, b, err = rlp.String(b); err != nil {
			return err
		}
	}
	m.Distances, b, err = splitDistances(b)
	return end(b, err)
}

// readRecord splits off a list of the size that a record may have, header included.
func readRecord(b []byte) (record, rest []byte, err error) {
	_, rest, err = rlp.List(b)
	if err != nil {
		return nil, nil, err
	}
	n := len(b) - len(rest)
	if n > MaxRecordSize {
		return nil, nil, ErrRecordSize
	}
	return b[:n:n], rest, nil
}

// RegConfirmation answers REGTOPIC (REGCONFIRMATION, 0x08).
type RegConfirmation struct {
	RequestID RequestID
	Total     uint64 // packets that answer the request: this one and NODES
	// for the next attempt, at most MaxTicketSize bytes; empty when the registration was admitted
	Ticket   []byte
	WaitTime uint64 // milliseconds until the next attempt, or until the registration ends
}

// Append appends the message with its type byte.
func (m *RegConfirmation) Append(dst []byte) []byte {
	dst = begin(dst, TypeRegConfirmation, &m.RequestID,
		rlp.Uint64Size(m.Total)+rlp.StringSize(m.Ticket)+rlp.Uint64Size(m.WaitTime))
	dst = rlp.AppendUint64(dst, m.Total)
	dst = rlp.AppendString(dst, m.Ticket)
	return rlp.AppendUint64(dst, m.WaitTime)
}

// Decode reads the list that SplitMessage returned. Ticket points into body.
func (m *RegConfirmation) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	if m.Total, b, err = rlp.Uint64(b); err != nil {
		return err
	}
	if m.Ticket, b, err = rlp.String(b); err != nil {
		return err
	}
	if len(m.Ticket) > MaxTicketSize {
		return ErrTicketSize
	}
	m.WaitTime, b, err = rlp.Uint64(b)
	return end(b, err)
}

// TopicQuery asks for nodes that registered for a topic (TOPICQUERY, 0x09).
type TopicQuery struct {
	RequestID RequestID
	Topic     [TopicSize]byte
	Distances Distances // from Topic, at which the sender would like to get records
}

// Append appends the message with its type byte.
func (m *TopicQuery) Append(dst []byte) []byte {
	dst = begin(dst, TypeTopicQuery, &m.RequestID, 1+TopicSize+m.Distances.size())
	dst = rlp.AppendString(dst, m.Topic[:])
	return m.Distances.append(dst)
}

// Decode reads the list that SplitMessage returned. Distances points into body.
func (m *TopicQuery) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	if b, err = readTopic(b, &m.Topic); err != nil {
		return err
	}
	m.Distances, b, err = splitDistances(b)
	return end(b, err)
}

// TopicNodes carries records of nodes registered for a topic (TOPICNODES, 0x0a).
type TopicNodes struct{ Nodes }

// Append appends the message with its type byte.
func (m *TopicNodes) Append(dst []byte) []byte {
	return append(AppendNodesHeader(dst, TypeTopicNodes, &m.RequestID, m.Total, len(m.Records)), m.Records...)
}

func readTopic(b []byte, topic *[TopicSize]byte) (rest []byte, err error) {
	s, rest, err := rlp.String(b)
	if err != nil {
		return nil, err
	}
	if len(s) != TopicSize {
		return nil, ErrTopicSize
	}
	copy(topic[:], s)
	return rest, nil
}
