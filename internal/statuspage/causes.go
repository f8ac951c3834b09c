package statuspage

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/limits"
)

// cause explains a drop cause.
type cause struct {
	meaning string
	limit   func(*Limits) string // nil: no limit is behind it
}

// text is a limit that does not depend on the configuration.
func text(s string) func(*Limits) string { return func(*Limits) string { return s } }

// rates describes the limit of an address and of its network.
func rates(of func(*Limits) limits.Rates) func(*Limits) string {
	return func(l *Limits) string {
		r := of(l)
		return fmt.Sprintf("%d a second per address, %d per network", r.Address.PerSecond, r.Network.PerSecond)
	}
}

// causes explains the causes of discv5_dropped_total, and kernel.
var causes = map[string]cause{
	"size":                    {"not the size of a packet", text("63 to 1,280 bytes")},
	"protocol":                {"another protocol, or for another node", nil},
	"flag":                    {"unknown kind of packet", nil},
	"authdata_size":           {"header of a wrong size", nil},
	"trailing_bytes":          {"bytes behind the packet", nil},
	"no_message":              {"packet without a message", nil},
	"key_sizes":               {"handshake with keys of a wrong size", nil},
	"record_size":             {"handshake with too large a record", text("300 bytes")},
	"own_id":                  {"claims the ID of this node", nil},
	"banned_address":          {"address is banned", nil},
	"banned_id":               {"node ID is banned", nil},
	"outside_netrestrict":     {"outside the networks of --netrestrict", nil},
	"rate_unverified":         {"packets that open no session", rates(func(l *Limits) limits.Rates { return l.Unverified })},
	"rate_handshake":          {"handshakes", rates(func(l *Limits) limits.Rates { return l.Handshake })},
	"rate_verified":           {"requests in sessions", rates(func(l *Limits) limits.Rates { return l.Requests })},
	"rate_talk":               {"TALK requests", nil},
	"challenges_full":         {"challenges evicted by newer ones", func(l *Limits) string { return thousands(l.Challenges) + " challenges" }},
	"whoareyou_unasked":       {"challenge that answers no packet", nil},
	"handshake_unchallenged":  {"handshake without a live challenge", nil},
	"handshake_queue_full":    {"handshake, the queue is full", func(l *Limits) string { return thousands(l.Tasks) + " in the queue" }},
	"handshake_prefix_quota":  {"handshake, the network has its part of the queue", nil},
	"handshake_later_full":    {"further handshake of one ID, their queue is full", nil},
	"own_queue_full":          {"own request, the queue is full", func(l *Limits) string { return thousands(l.Tasks) + " in the queue" }},
	"handshake_record":        {"handshake with a wrong record", nil},
	"handshake_record_owner":  {"handshake with the record of another node", nil},
	"handshake_signature":     {"handshake with a wrong signature", nil},
	"handshake_ephemeral_key": {"handshake with a wrong key", nil},
	"handshake_message":       {"handshake whose message does not open", nil},
	"handshake_late":          {"handshake too late, or no free session", func(l *Limits) string { return thousands(l.Sessions) + " sessions" }},
	"replay":                  {"message that came before", nil},
	"message_type":            {"unknown type of message", nil},
	"message_form":            {"message of a wrong form", nil},
	"request_id":              {"request ID of a wrong size", text("8 bytes")},
	"distance":                {"request for a wrong distance", text("0 to 256")},
	"topic_message":           {"topic request, but this is no registrar", nil},
	"topic_record":            {"registration with a wrong record", nil},
	"topic_late":              {"registration whose session has ended", nil},
	"rate_topic_record":       {"registrations with new records", text("1 a second per peer")},
	"answer_unsolicited":      {"response to no request", nil},
	"answer_too_large":        {"response too large for a packet", text("1,280 bytes")},
	"answer_unproven":         {"large response to an unproven endpoint", nil},
	"talk_busy":               {"TALK request, all handlers are busy", nil},
	"send_queue":              {"response, the send queue is full", nil},
	"nodes_record":            {"invalid record in a response", nil},
	"nodes_distance":          {"record of another distance in a response", nil},
	"nodes_relay_address":     {"record with an address that may not be relayed", nil},
	"nodes_excess":            {"too many records in a response", text("16 records")},
	kernelCause:               {"dropped by the kernel: receive buffer full, or no packet of this protocol", text("receive buffer")},
}

// kernelCause stands for the datagrams that the kernel dropped.
const kernelCause = "kernel"

// dropCounters are the counters of dropped_total.
var dropCounters = func() (list []discv5.Counter) {
	for c := range discv5.NumCounters {
		if c.Info().Metric == "dropped_total" {
			list = append(list, c)
		}
	}
	return list
}()

// counts are the counters that the page keeps of earlier times.
type counts struct {
	at     time.Time // when they were read; zero for the start
	drops  [discv5.NumCounters]uint64
	kernel uint64
}

func countsOf(s *discv5.Stats) counts {
	return counts{drops: s.Counters, kernel: s.Sockets.KernelDrops}
}

// dropped sums up the drops of all causes.
func (c *counts) dropped() (n uint64) {
	for _, i := range dropCounters {
		n += c.drops[i]
	}
	return n + c.kernel
}

// dropsSince returns the causes that have dropped something, most in the last hour first. minute
// and hour are the counts at those times before, and seconds is how long ago minute was.
func dropsSince(now, minute, hour *counts, seconds float64, l *Limits) []Drop {
	list := []Drop{}
	add := func(name string, total, before, earlier uint64) {
		if total == 0 {
			return
		}
		d := Drop{Cause: name, Meaning: causes[name].meaning, Total: total, Hour: total - earlier}
		if seconds > 0 {
			d.Rate = float64(total-before) / seconds
		}
		if limit := causes[name].limit; limit != nil {
			d.Limit = limit(l)
		}
		list = append(list, d)
	}
	for _, i := range dropCounters {
		add(i.Info().Value, now.drops[i], minute.drops[i], hour.drops[i])
	}
	add(kernelCause, now.kernel, minute.kernel, hour.kernel)
	slices.SortStableFunc(list, func(a, b Drop) int { return cmp.Or(cmp.Compare(b.Hour, a.Hour), cmp.Compare(b.Total, a.Total)) })
	return list
}
