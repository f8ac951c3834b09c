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
	for _, s := range m.Skipped {
		fmt.Fprintf(&b, "%s is left out: %s.\n\n", s.Name, s.Why)
	}
	b.WriteString("`" + strings.Join(m.Commands, "`, `") + "`")
	return b.String()
}

// manyRow is the row of one server: medians, and quartiles of the ratio to the bare echo.
func manyRow(m *results.ManyPeers, r *results.ManyRow) []string {
	var servers, receives, totals, lost []float64
	for _, s := range r.Samples {
		server, receive := s.Parts()
		servers, receives, totals, lost = append(servers, server), append(receives, receive), append(totals, s.Cost()), append(lost, s.Lost())
	}
	middle := func(list []float64) float64 {
		_, mid, _ := results.Quartiles(list)
		return mid
	}
	records := ""
	if r.Records > 0 {
		records = fmt.Sprint(r.Records)
	}
	low, mid, high := results.Quartiles(m.Ratios(r))
	return []string{
		r.Server, group(float64(r.Peers)), records, number(middle(servers)), number(middle(receives)), number(middle(totals)),
		fmt.Sprintf("%.2f (%.2f-%.2f)", mid, low, high), fmt.Sprintf("%.1f %%", 100*middle(lost)),
	}
}
