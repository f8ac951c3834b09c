package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath"
)

// addSockets adds the counters of the sockets, summed over all of them.
func (c *collector) addSockets() {
	type get = func(*fastpath.ConnStats) uint64
	add := func(name, help, label, value string, g get) {
		m := metric{kind: prometheus.CounterValue, value: func(s *discv5.Stats) float64 { return float64(g(&s.Sockets)) }}
		var labels []string
		if label != "" {
			labels, m.label = []string{label}, []string{value}
		}
		m.desc = prometheus.NewDesc(namespace+"socket_"+name, help, labels, nil)
		c.values = append(c.values, m)
	}
	add("datagrams_total", "Datagrams that passed the sockets, by direction.", "direction", "in", func(s *fastpath.ConnStats) uint64 { return s.RxDatagrams })
	add("datagrams_total", "Datagrams that passed the sockets, by direction.", "direction", "out", func(s *fastpath.ConnStats) uint64 { return s.TxDatagrams })
	add("bytes_total", "UDP payload that passed the sockets, by direction, in bytes.", "direction", "in", func(s *fastpath.ConnStats) uint64 { return s.RxBytes })
	add("bytes_total", "UDP payload that passed the sockets, by direction, in bytes.", "direction", "out", func(s *fastpath.ConnStats) uint64 { return s.TxBytes })
	add("batches_total", "System calls that moved datagrams, by direction.", "direction", "in", func(s *fastpath.ConnStats) uint64 { return s.RxBatches })
	add("batches_total", "System calls that moved datagrams, by direction.", "direction", "out", func(s *fastpath.ConnStats) uint64 { return s.TxBatches })
	const (
		gso = "UDP GSO batches: packets to one endpoint that entered the kernel as one. Each packet of a rejected batch was sent separately."
		gro = "UDP GRO batches: packets of one endpoint that the kernel delivered as one."
	)
	add("gso_batches_total", gso, "result", "sent", func(s *fastpath.ConnStats) uint64 { return s.TxGSO })
	add("gso_batches_total", gso, "result", "rejected", func(s *fastpath.ConnStats) uint64 { return s.GSORejected })
	add("gro_batches_total", gro, "", "", func(s *fastpath.ConnStats) uint64 { return s.RxGRO })
	add("kernel_dropped_total", "Datagrams, or GRO batches of them, that the kernel dropped: receive buffer full, refused by the filter, or bad checksum.", "", "", func(s *fastpath.ConnStats) uint64 { return s.KernelDrops })
	add("local_unknown_total", "Datagrams to a local address that no response can leave from, such as a multicast address.", "", "", func(s *fastpath.ConnStats) uint64 { return s.LocalUnknown })
	add("local_fallbacks_total", "Datagrams sent from another local address because the host had lost the right one.", "", "", func(s *fastpath.ConnStats) uint64 { return s.LocalFallbacks })
	add("path_mtu_ignored_total", "Times that an IPv4 socket started to ignore path MTUs.", "", "", func(s *fastpath.ConnStats) uint64 { return s.PathMTUIgnored })
	add("read_errors_total", "Failed receive calls.", "", "", func(s *fastpath.ConnStats) uint64 { return s.ReadErrors })
	for _, v := range []struct {
		cause string
		get   get
	}{
		{"truncated", func(s *fastpath.ConnStats) uint64 { return s.Truncated }},
		{"short", func(s *fastpath.ConnStats) uint64 { return s.Short }},
		{"long", func(s *fastpath.ConnStats) uint64 { return s.Long }},
		{"source", func(s *fastpath.ConnStats) uint64 { return s.BadSource }},
	} {
		add("dropped_total", "Datagrams received and dropped before the protocol, by cause.", "cause", v.cause, v.get)
	}
	for _, v := range []struct {
		cause string
		get   func(*fastpath.SendErrors) uint64
	}{
		{"family", func(e *fastpath.SendErrors) uint64 { return e.Family }},
		{"refused", func(e *fastpath.SendErrors) uint64 { return e.Refused }},
		{"unreachable", func(e *fastpath.SendErrors) uint64 { return e.Unreachable }},
		{"denied", func(e *fastpath.SendErrors) uint64 { return e.Denied }},
		{"no_buffers", func(e *fastpath.SendErrors) uint64 { return e.NoBuffers }},
		{"blocked", func(e *fastpath.SendErrors) uint64 { return e.Blocked }},
		{"too_long", func(e *fastpath.SendErrors) uint64 { return e.TooLong }},
		{"closed", func(e *fastpath.SendErrors) uint64 { return e.Closed }},
		{"other", func(e *fastpath.SendErrors) uint64 { return e.Other }},
	} {
		add("send_errors_total", "Datagrams that could not be sent, by cause.", "cause", v.cause, func(s *fastpath.ConnStats) uint64 { return v.get(&s.SendErrors) })
	}
}
