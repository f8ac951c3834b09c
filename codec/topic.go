package codec

import "github.com/fastdisc/discv5/internal/rlp"

// TopicSize is the size of a topic, also called service identifier, in bytes.
const TopicSize = 32

// RegTopic asks to register the sender for a topic (REGTOPIC, 0x07).
type RegTopic struct {
	RequestID RequestID
	Topic     [TopicSize]byte
	// encoded record of the sender; nothing but that it is an RLP list has been checked
	Record    []byte
	Ticket    []byte    // issued by the recipient before; empty on the first attempt
	Distances Distances // from Topic, at which the sender would like to get records
}

// Append appends the message with its type byte.
func (m *RegTopic) Append(dst []byte) []byte {
	dst = begin(dst, TypeRegTopic, &m.RequestID,
		1+TopicSize+len(m.Record)+rlp.StringSize(m.Ticket)+m.Distances.size())
	dst = rlp.AppendString(dst, m.Topic[:])
	dst = append(dst, m.Record...)
	dst = rlp.AppendString(dst, m.Ticket)
	return m.Distances.append(dst)
}

// Decode reads the list that SplitMessage returned. Record, Ticket and Distances point into body.
func (m *RegTopic) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	if b, err = readTopic(b, &m.Topic); err != nil {
		return err
	}
	list, rest, err := rlp.List(b)
	if err != nil {
		return err
	}
	m.Record = b[: len(b)-len(rest) : len(b)-len(rest)]
	if rlp.HeaderSize(len(list))+len(list) > MaxRecordSize {
		return ErrRecordSize
	}
	if m.Ticket, b, err = rlp.String(rest); err != nil {
		return err
	}
	m.Distances, b, err = splitDistances(b)
	return end(b, err)
}

// RegConfirmation answers REGTOPIC (REGCONFIRMATION, 0x08).
type RegConfirmation struct {
	RequestID RequestID
	Total     uint64 // packets that answer the request: this one and NODES
	Ticket    []byte // for the next attempt; empty when the registration was admitted
	WaitTime  uint64 // milliseconds until the next attempt, or until the registration ends
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
