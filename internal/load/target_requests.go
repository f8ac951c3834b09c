package load

import "github.com/fastdisc/discv5/codec"

// A target sends requests to nodes whose records name an endpoint, as those of registrations do. It
// stops using an endpoint that does not answer PING, so we answer PING.

// ofTarget takes a packet for an identity that waits for no answer. It reports whether it was one:
// a request of the target.
func (w *worker) ofTarget(sock int32, b []byte) (bool, error) {
	if !w.cfg.endpoints {
		return false, nil
	}
	p := &w.packet
	for _, who := range w.socks[sock].members {
		if who.decode(b, p, w.cfg.Protocol) != nil {
			continue
		}
		if p.Flag != codec.FlagMessage || p.SourceID != w.initiator.target || who.session == nil {
			return false, nil
		}
		plain, err := who.session.Open(&p.Nonce, p.Message, p.AD)
		if err != nil {
			return false, nil
		}
		t, body, err := codec.SplitMessage(plain)
		if err != nil {
			return false, nil
		}
		return true, w.asked(sock, who, t, body)
	}
	return false, nil
}

// asked takes a request of the target.
func (w *worker) asked(sock int32, who *identity, t codec.MessageType, body []byte) error {
	w.stats.events.Asked++
	var m codec.Ping
	if !w.cfg.endpoints || t != codec.TypePing || m.Decode(body) != nil {
		return nil
	}
	h := &w.header
	if !who.session.NextNonce(&h.Nonce, w.random) {
		return nil
	}
	h.Source = who.id
	w.random.Block(&h.IV)
	answer := codec.Pong{RequestID: m.RequestID, RecordSeq: who.recordSeq, Recipient: w.cfg.Target.Addr}
	message := answer.Append(w.buf[codec.MessageHeaderSize:codec.MessageHeaderSize])
	return w.out(sock, h.AppendMessage(w.buf[:0], &w.initiator.target, who.session, message))
}
