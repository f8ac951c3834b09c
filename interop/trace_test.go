package interop

import (
	"context"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// packetTrace counts the packets of a go-ethereum node by direction, kind and remote node.
// go-ethereum has no other hook for received packets: it logs "<< PING/v5" with the attribute "id"
// for each decrypted packet, ">> PONG/v5" for each sent one, and msgInvalidRecord for each rejected
// record.
type packetTrace struct {
	mu     sync.Mutex
	counts map[traceKey]int
	odd    map[int]int // decrypted messages by type, where go-ethereum knows none of that type
}

// unknownType is in the log of such a message, before the type.
const unknownType = "unknown packet type "

// msgInvalidRecord is logged for a record in a NODES answer that is a duplicate, is at a distance
// that was not requested, or has an address that must not be relayed. Callers never see such a
// record.
const msgInvalidRecord = "Invalid record in NODES/v5"

// msgBadPacket is logged for a packet that go-ethereum cannot decode.
const msgBadPacket = "Bad discv5 packet"

type traceKey struct {
	msg string
	id  enode.ID
}

func newPacketTrace() *packetTrace {
	return &packetTrace{counts: make(map[traceKey]int), odd: make(map[int]int)}
}

// count returns how often msg (such as "<< PING/v5") was logged for node id.
func (p *packetTrace) count(msg string, id enode.ID) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[traceKey{msg, id}]
}

// unknown returns how many messages were decrypted whose type go-ethereum does not know, by type.
func (p *packetTrace) unknown() map[int]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.odd)
}

// noteUnknown counts the message of such a type that a log line is about, if it is.
func (p *packetTrace) noteUnknown(r slog.Record) {
	r.Attrs(func(a slog.Attr) bool {
		err, ok := a.Value.Any().(error)
		if !ok {
			return true
		}
		if text, found := strings.CutPrefix(err.Error(), unknownType); found {
			if kind, err := strconv.Atoi(text); err == nil {
				p.mu.Lock()
				p.odd[kind]++
				p.mu.Unlock()
			}
		}
		return true
	})
}

// Enabled implements slog.Handler. Packets are logged at the lowest level.
func (p *packetTrace) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (p *packetTrace) Handle(_ context.Context, r slog.Record) error {
	if r.Message == msgBadPacket {
		p.noteUnknown(r)
	}
	if !strings.HasPrefix(r.Message, "<< ") && !strings.HasPrefix(r.Message, ">> ") && r.Message != msgInvalidRecord {
		return nil
	}
	r.Attrs(func(a slog.Attr) bool {
		id, ok := a.Value.Any().(enode.ID)
		if a.Key != "id" || !ok {
			return true
		}
		p.mu.Lock()
		p.counts[traceKey{r.Message, id}]++
		p.mu.Unlock()
		return false
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (p *packetTrace) WithAttrs([]slog.Attr) slog.Handler { return p }

// WithGroup implements slog.Handler.
func (p *packetTrace) WithGroup(string) slog.Handler { return p }

// expectValidRecords fails the test if the peer has rejected a record of the bootnode.
func expectValidRecords(t *testing.T, p *peer, boot *enode.Node) {
	t.Helper()
	if n := p.trace.count(msgInvalidRecord, boot.ID()); n > 0 {
		t.Errorf("peer %v has rejected %d records in NODES of the bootnode", p.Self().ID(), n)
	}
}
