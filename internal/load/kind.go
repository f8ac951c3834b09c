package load

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5/internal/quote"
)

// Kind is the type of a request.
type Kind uint8

// Kinds of requests.
const (
	Ping     Kind = iota // PING, answered by PONG
	FindNode             // FINDNODE, answered by all NODES packets that the first one announces
	Talk                 // TALKREQ, answered by TALKRESP
	// a node without session appears: message, WHOAREYOU, handshake, PONG; see HandshakeForm
	Handshake
	Junk // a message that nobody can open, answered by WHOAREYOU
	// REGTOPIC, answered by REGCONFIRMATION and the NODES that it announces; see TicketForm
	RegTopic
	TopicQuery // TOPICQUERY, answered by all TOPICNODES and NODES that the first one announces

	NumKinds = 7 // how many kinds there are
)

var kindNames = [NumKinds]string{"ping", "findnode", "talk", "handshake", "junk", "regtopic", "topicquery"}

// String is the name that ParseMix reads.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// inSession reports whether requests of this kind need a session.
func (k Kind) inSession() bool { return k != Handshake && k != Junk }

// topical reports whether requests of this kind are about topics.
func (k Kind) topical() bool { return k == RegTopic || k == TopicQuery }

// Mix is the weight of each kind. Requests are spread evenly: any stretch of them has each kind by
// its weight, as far as whole batches allow.
type Mix [NumKinds]int

// MaxWeight is the largest weight of a kind in a Mix.
const MaxWeight = 1_000_000

// ErrMix is wrapped by errors of ParseMix.
var ErrMix = errors.New("mix")

// Only is the mix of one kind.
func Only(k Kind) (m Mix) {
	m[k] = 1
	return m
}

// ParseMix reads weights like "ping=70,findnode=20,talk=10", or the name of a single kind.
func ParseMix(s string) (m Mix, err error) {
	for _, part := range strings.Split(s, ",") {
		name, weight, found := strings.Cut(part, "=")
		kind := -1
		for k, n := range kindNames {
			if n == name {
				kind = k
			}
		}
		n := 1
		if found {
			n, err = strconv.Atoi(weight)
		}
		switch {
		case kind < 0:
			return m, fmt.Errorf("%w: %s: want %s", ErrMix, quote.Text(name), quote.Choices(kindNames[:]))
		case err != nil || n < 1 || n > MaxWeight:
			return m, fmt.Errorf("%w: weight %s of %s: want 1 to %d", ErrMix, quote.Text(weight), name, MaxWeight)
		case m[kind] != 0:
			return m, fmt.Errorf("%w: %s comes twice", ErrMix, name)
		}
		m[kind] = n
	}
	return m, nil
}

// String is what ParseMix reads.
func (m Mix) String() string {
	var parts []string
	for k, w := range m {
		if w > 0 {
			parts = append(parts, fmt.Sprintf("%v=%d", Kind(k), w))
		}
	}
	if len(parts) == 1 {
		name, _, _ := strings.Cut(parts[0], "=")
		return name
	}
	return strings.Join(parts, ",")
}

// kinds is how many kinds have a weight.
func (m Mix) kinds() (n int) {
	for _, w := range m {
		if w > 0 {
			n++
		}
	}
	return n
}

// sum of all weights.
func (m Mix) sum() (n int) {
	for _, w := range m {
		n += w
	}
	return n
}

// sessions reports whether some kind needs sessions.
func (m Mix) sessions() bool { return m.sum() > m[Handshake]+m[Junk] }

// picker picks kinds by smooth weighted round-robin: each comes up by its weight, and as evenly as
// possible.
type picker struct {
	mix    Mix
	credit Mix
}

func (d *picker) next() Kind {
	best, sum := -1, 0
	for k, w := range d.mix {
		if w == 0 {
			continue
		}
		sum += w
		if d.credit[k] += w; best < 0 || d.credit[k] > d.credit[best] {
			best = k
		}
	}
	d.credit[best] -= sum
	return Kind(best)
}

// HandshakeForm is what handshakes of kind Handshake are like.
type HandshakeForm uint8

// Forms of handshakes.
const (
	// GoodHandshake is valid. Each comes from a new identity, and is answered when its PONG opens.
	GoodHandshake HandshakeForm = iota
	// BadProof has a wrong ID signature. It is answered when the challenge has come and the
	// handshake has left; a target that accepts it is counted in Events.Accepted.
	BadProof
	// BadRecord has a record whose signature is wrong, and is counted like BadProof.
	BadRecord
)

var formNames = [...]string{"good", "bad", "record"}

// String is the name that ParseHandshakeForm reads.
func (f HandshakeForm) String() string {
	if int(f) < len(formNames) {
		return formNames[f]
	}
	return "unknown"
}

// ParseHandshakeForm reads "good", "bad" or "record". The error names what is allowed.
func ParseHandshakeForm(s string) (HandshakeForm, error) {
	for f, n := range formNames {
		if n == s {
			return HandshakeForm(f), nil
		}
	}
	return 0, fmt.Errorf("%s: want %s", quote.Text(s), quote.Choices(formNames[:]))
}
