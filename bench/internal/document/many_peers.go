package document

import (
	"fmt"
	"strings"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// ManyPeers is the text on many peers with one packet each: a table for each workload, with what it
// was made on and by.
func ManyPeers(m *results.ManyPeers) string {
	if m == nil {
		return "Not measured yet: `make perf-many`, as root."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d CPUs, Linux %s, %s, on %s, with a load average of %.1f. %d rounds of slices of %v.\n\n",
		m.Machine.CPU, m.Machine.CPUs, m.Machine.Kernel, m.Machine.Go, m.Date.Format("2006-01-02"), m.Machine.Load, m.Rounds, m.Slice)
	for _, w := range []struct{ name, title string }{{"ping", "PING"}, {"findnode", "FINDNODE"}} {
		var list [][]string
		for i := range m.Rows {
			if r := &m.Rows[i]; r.Workload == w.name {
				list = append(list, manyRow(m, r))
			}
		}
		if len(list) == 0 {
			continue
		}
		head := []string{w.title + " on", "peers", "records", "server µs", "receive µs", "total µs", "of the echo (quartiles)", "lost"}
		fmt.Fprintf(&b, "%s\n\n", table(head, list))
	}
	b.WriteString(inTurn(m))
	for _, s := range m.Skipped {
		fmt.Fprintf(&b, "%s is left out: %s.\n\n", s.Name, s.Why)
	}
	b.WriteString("`" + strings.Join(m.Commands, "`, `") + "`")
	return b.String()
}

// inTurn is the table of peers that ping in turn from a socket: the server alone, beside the whole
// cost of this node over AF_XDP.
func inTurn(m *results.ManyPeers) string {
	var base float64
	if r := m.Row("ping", results.OwnNative); r != nil {
		base = median(r.Samples, results.ManySample.Cost)
	}
	var list [][]string
	for i := range m.Rows {
		r := &m.Rows[i]
		if r.Workload != results.InTurn {
			continue
		}
		server := median(r.Samples, func(s results.ManySample) float64 { server, _ := s.Parts(); return server })
		handshakes := median(r.Samples, func(s results.ManySample) float64 { return float64(s.Handshakes) / float64(max(s.Exchanges, 1)) })
		ratio := ""
		if base > 0 {
			ratio = fmt.Sprintf("%.1f", server/base)
		}
		list = append(list, []string{r.Server, group(float64(r.Peers)), fmt.Sprintf("%.2f", handshakes), number(server), ratio})
	}
	if len(list) == 0 {
		return ""
	}
	return table([]string{"PING in turn on", "peers", "handshakes for a PING", "server µs", "of the total of " + results.OwnNative}, list) + "\n\n"
}

// median is that of a figure of the samples.
func median(samples []results.ManySample, f func(results.ManySample) float64) float64 {
	list := make([]float64, len(samples))
	for i, s := range samples {
		list[i] = f(s)
	}
	_, mid, _ := results.Quartiles(list)
	return mid
}

// manyRow is the row of one server: medians, and quartiles of the ratio to the bare echo.
func manyRow(m *results.ManyPeers, r *results.ManyRow) []string {
	server := func(s results.ManySample) float64 { x, _ := s.Parts(); return x }
	receive := func(s results.ManySample) float64 { _, x := s.Parts(); return x }
	records := ""
	if r.Records > 0 {
		records = fmt.Sprint(r.Records)
	}
	low, mid, high := results.Quartiles(m.Ratios(r))
	return []string{
		r.Server, group(float64(r.Peers)), records, number(median(r.Samples, server)), number(median(r.Samples, receive)),
		number(median(r.Samples, results.ManySample.Cost)), fmt.Sprintf("%.2f (%.2f-%.2f)", mid, low, high),
		fmt.Sprintf("%.1f %%", 100*median(r.Samples, results.ManySample.Lost)),
	}
}
