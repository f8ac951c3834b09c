package document

import (
	"fmt"
	"math"
	"slices"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/internal/chart"
)

// names are the files of the pictures.
func names() map[string]string {
	return map[string]string{
		"cost": "perf-cost.svg", "ratio": "perf-ratio.svg", "sessions": "perf-sessions.svg", "junk": "perf-junk.svg", "stages": "perf-stages.svg",
	}
}

func pictures(f *results.File) (map[string][]byte, error) {
	made := make(map[string][]byte)
	for name, c := range map[string]chart.Chart{
		"cost": cost(f), "ratio": ratio(f), "sessions": bySessions(f), "junk": byJunk(f), "stages": lookups(f),
	} {
		svg, err := c.SVG()
		if err != nil {
			return nil, fmt.Errorf("picture %s: %w", name, err)
		}
		made[names()[name]] = append(svg, '\n')
	}
	return made, nil
}

// compared are the workloads that all servers have.
func compared() []string {
	return []string{"ping", "findnode", "talk", "junk-repeated", "junk-new"}
}

// byWorkload draws one line for each server over the workloads.
func byWorkload(f *results.File, title, y string, servers []string, value func(*results.Row) float64) chart.Chart {
	c := chart.Chart{Title: title, X: "workload", Y: y, LogY: true}
	for i, w := range compared() {
		c.XMarks = append(c.XMarks, chart.Mark{At: float64(i), Label: w})
	}
	for _, s := range servers {
		l := chart.Line{Name: s}
		for i, w := range compared() {
			if r := f.Row(w, s); r != nil {
				l.X, l.Y = append(l.X, float64(i)), append(l.Y, value(r))
			}
		}
		if len(l.X) > 0 {
			c.Lines = append(c.Lines, l)
		}
	}
	return c
}

func cost(f *results.File) chart.Chart {
	return byWorkload(f, "CPU time for an exchange", "µs", results.Servers(), func(r *results.Row) float64 { return r.Median })
}

func ratio(f *results.File) chart.Chart {
	others := slices.DeleteFunc(results.Servers(), func(s string) bool { return s == results.Echo })
	return byWorkload(f, "CPU time compared with the echo server", "times the echo", others, func(r *results.Row) float64 { return r.Ratio })
}

// bySessions draws medians and quartiles.
func bySessions(f *results.File) chart.Chart {
	lines := []chart.Line{{Name: "median"}, {Name: "lower quartile"}, {Name: "upper quartile"}}
	for _, p := range f.Sessions {
		for i, y := range []float64{p.Median, p.Low, p.High} {
			lines[i].X, lines[i].Y = append(lines[i].X, float64(p.Sessions)), append(lines[i].Y, y)
		}
	}
	return chart.Chart{Title: "CPU time for a PING", X: "sessions", Y: "µs", Lines: lines, LogX: true, FromZero: true}
}

func byJunk(f *results.File) chart.Chart {
	lines := []chart.Line{{Name: "median"}, {Name: "lower quartile"}, {Name: "upper quartile"}}
	for _, s := range f.Junk {
		for i, y := range []float64{s.Median, s.Low, s.High} {
			lines[i].X, lines[i].Y = append(lines[i].X, float64(s.Percent)), append(lines[i].Y, y)
		}
	}
	return chart.Chart{Title: "CPU time for a datagram among which there is junk", X: "% junk", Y: "µs", Lines: lines, FromZero: true}
}

// lookups draws the stages of a PING one after another, as the time by which each has ended.
func lookups(f *results.File) chart.Chart {
	c := chart.Chart{Title: "Stages of a PING, one after another", X: "stage", Y: "ns until its end", FromZero: true}
	l := chart.Line{Name: "sum"}
	sum, at := 0.0, 0
	for _, w := range results.Stages() {
		if !w.Part {
			continue
		}
		for _, s := range f.Stages {
			if s.Name == w.Name && !math.IsNaN(s.Nanos) {
				sum += s.Nanos
				at++
				l.X, l.Y = append(l.X, float64(at)), append(l.Y, sum)
				c.XMarks = append(c.XMarks, chart.Mark{At: float64(at), Label: fmt.Sprint(at)})
			}
		}
	}
	c.Lines = []chart.Line{l}
	return c
}
