package document

import (
	"fmt"
	"math"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// Goals of this project, as ratios.
const (
	goalPing     = 1.15 // of the echo
	goalFindNode = 1.3  // of the echo
	goalSessions = 1.3  // 100,000 of 1,000
	goalGeth     = 5.0  // go-ethereum of this node
	goalCurve    = 0.05 // of a handshake
)

// goal is one of them, with the result of the run.
type goal struct {
	what    string
	limit   string
	value   string
	reached bool
	why     string // why it cannot be reached, or nothing
}

// goalsOf lists those for which there are figures.
func goalsOf(f *results.File) (list []goal) {
	most := func(what string, value, limit float64) {
		if value > 0 && !math.IsInf(value, 0) && !math.IsNaN(value) {
			list = append(list, goal{what, fmt.Sprintf("at most %.2f", limit), fmt.Sprintf("%.2f", value), value <= limit, ""})
		}
	}
	forms := []struct{ server, without string }{{results.Own, ""}, {results.Single, " without GSO"}}
	for _, w := range []struct {
		name, what string
		limit      float64
	}{{"ping", "PING%s, of the echo", goalPing}, {"findnode", "FINDNODE with 16 records%s, of the echo", goalFindNode}} {
		for _, form := range forms {
			if r := f.Row(w.name, form.server); r != nil {
				most(fmt.Sprintf(w.what, form.without), r.Ratio, w.limit)
			}
		}
	}
	geth := f.Row("ping", results.Geth)
	for _, form := range forms {
		own := f.Row("ping", form.server)
		if own == nil || geth == nil || own.Median == 0 {
			continue
		}
		v := geth.Median / own.Median
		g := goal{what: fmt.Sprintf("PING%s, go-ethereum of this node", form.without), limit: fmt.Sprintf("at least %.2f", goalGeth), value: fmt.Sprintf("%.2f", v), reached: v >= goalGeth}
		if form.server == results.Single && geth.Ratio > 0 && geth.Ratio < goalGeth {
			g.why = fmt.Sprintf("out of reach on this machine: it takes %.2f times as much as the echo", geth.Ratio)
		}
		list = append(list, g)
	}
	if v, err := outgrown(f, 1000, 100_000); err == nil {
		most("PING, 100,000 sessions of 1,000", v, goalSessions)
	}
	all, rest := nanosOf(f, "handshake: accept, new record"), nanosOf(f, "handshake: accept, new record, without curve arithmetic")
	if all > 0 && rest > 0 {
		v := rest / all
		list = append(list, goal{"handshake, what is not curve arithmetic", fmt.Sprintf("at most %.0f %%", 100*goalCurve), fmt.Sprintf("%.1f %%", 100*v), v <= goalCurve, ""})
	}
	return list
}

// goals is the table of all goals.
func goals(f *results.File) string {
	var list [][]string
	for _, g := range goalsOf(f) {
		word := "reached"
		if !g.reached {
			word = "**not reached**"
			if g.why != "" {
				word += ", and " + g.why
			}
		}
		list = append(list, []string{g.what, g.limit, g.value, word})
	}
	return table([]string{"CPU time", "goal", "this run", ""}, list)
}

// nanosOf is the time of a stage, or 0.
func nanosOf(f *results.File, stage string) float64 {
	for _, s := range f.Stages {
		if s.Name == stage {
			return s.Nanos
		}
	}
	return 0
}

// outgrown is the cost with b sessions divided by that with a.
func outgrown(f *results.File, a, b int) (float64, error) {
	var costs [2]float64
	for _, p := range f.Sessions {
		if p.Sessions == a {
			costs[0] = p.Median
		}
		if p.Sessions == b {
			costs[1] = p.Median
		}
	}
	if costs[0] == 0 || costs[1] == 0 {
		return 0, fmt.Errorf("%w: sessions %d and %d", results.ErrMissing, a, b)
	}
	return costs[1] / costs[0], nil
}

// slower reports whether this node takes more CPU time for a workload than another server that was
// measured.
func slower(f *results.File, workload, server string) bool {
	own, other := f.Row(workload, results.Own), f.Row(workload, server)
	return own != nil && other != nil && own.Median > other.Median
}
