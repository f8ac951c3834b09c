package document

import (
	"fmt"
	"strings"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// newpeers is the table of new peers beside junk, with machine and command.
func newpeers(n *results.NewPeers) string {
	if n == nil {
		return "Not measured yet: `go run ./cmd/newpeers` in bench/."
	}
	var list [][]string
	servers := []string{results.Before, results.Own}
	for _, rate := range results.NewPeerJunk() {
		row := []string{group(float64(rate))}
		for _, s := range servers {
			row = append(row, newPeerPart(n, s, rate))
		}
		list = append(list, row)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d CPUs, Linux %s, %s, on %s, with a load average of %.1f. Room for %s challenges before and %s now, %.0f new peers a second, slices of %v.\n\n",
		n.Machine.CPU, n.Machine.CPUs, n.Machine.Kernel, n.Machine.Go, n.Date.Format("2006-01-02"), n.Machine.Load, group(float64(n.Challenges[0])), group(float64(n.Challenges[1])), n.Rate, n.Slice)
	b.WriteString(table([]string{"junk per second", "before: % of new peers (lowest round)", "now: % of new peers (lowest round)"}, list))
	b.WriteString("\n\n`" + strings.Join(n.Commands, "`, `") + "`")
	return b.String()
}

// newPeerPart is the median of one server at one rate, and the least of its rounds.
func newPeerPart(n *results.NewPeers, server string, junk int) string {
	for _, r := range n.Rows {
		if r.Server == server && r.Junk == junk && len(r.Parts) > 0 {
			_, mid, _ := results.Quartiles(r.Parts)
			least := r.Parts[0]
			for _, p := range r.Parts {
				least = min(least, p)
			}
			return fmt.Sprintf("%.0f (%.0f)", 100*mid, 100*least)
		}
	}
	return "?"
}
