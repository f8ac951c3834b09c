package drive

import (
	"time"

	"github.com/fastdisc/discv5/codec"
)

// NewcomerPlan says how new peers come.
type NewcomerPlan struct {
	Rate float64 // in a second, by a schedule
	// between the arrival of a WHOAREYOU and that of its handshake: the round trip of a far peer
	Trip     time.Duration
	Patience time.Duration // for the server's answer to the handshake
}

// newcomer is a new peer that makes its handshake, at the first try or never.
type newcomer struct {
	attempt
	answer []byte    // the handshake packet
	due    time.Time // when it leaves
}

// Newcomers lets each of list make a handshake, and returns how many got a session: those that were
// challenged for their first message, and whose first handshake was answered. Nothing is sent
// a second time.
func (c *Client) Newcomers(list []*Identity, p NewcomerPlan) (made int, err error) {
	begin := time.Now()
	var under []*newcomer // by the time at which they began
	var batch []*attempt  // the same
	for next := 0; next < len(list) || len(under) > 0; {
		now := time.Now()
		for next < len(list) && now.Sub(begin) >= time.Duration(float64(next)/p.Rate*float64(time.Second)) {
			id := list[next]
			n := &newcomer{attempt: attempt{identity: id.identity, decoder: codec.NewDecoder(&id.id, codec.DefaultProtocol)}, due: now.Add(p.Patience)}
			if err := c.Send(c.Unknown(nil, &id.id, 88), 88); err != nil {
				return made, err
			}
			under, batch = append(under, n), append(batch, &n.attempt)
			next++
		}
		for i := 0; i < len(under); i++ {
			n := under[i]
			switch late := now.After(n.due); {
			case n.done, late && n.answer == nil:
				under, batch = append(under[:i:i], under[i+1:]...), append(batch[:i:i], batch[i+1:]...)
				i--
			case late:
				if err := c.Send(n.answer, len(n.answer)); err != nil {
					return made, err
				}
				n.answer, n.due = nil, now.Add(p.Patience)
			}
		}
		n, err := c.Receive(time.Millisecond)
		if err != nil {
			return made, err
		}
		now = time.Now()
		for i := range n {
			a, packet := match(batch, c.Packet(i))
			switch {
			case a == nil || a.done:
			case packet.Flag == codec.FlagWhoareyou && a.session == nil:
				answer, err := c.proof(a, packet.AD)
				if err != nil {
					return made, err
				}
				for k := range batch {
					if batch[k] == a {
						under[k].answer, under[k].due = answer, now.Add(p.Trip)
					}
				}
			case packet.Flag == codec.FlagMessage && a.session != nil:
				if t, _, err := open(a.session, packet); err == nil && t == codec.TypePong {
					a.done = true
					made++
				}
			}
		}
	}
	return made, nil
}
