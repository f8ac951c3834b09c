package main

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"math"
	"time"

	"github.com/fastdisc/discv5/internal/chart"
	"github.com/fastdisc/discv5/internal/load"
)

//go:embed page.html
var pageText string

// page is the report as HTML. It needs no other file.
func (r *report) page() ([]byte, error) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	j := r.json()
	charts, err := r.charts(j)
	if err != nil {
		return nil, err
	}
	var table bytes.Buffer
	kinds := j.Result.Kinds
	rows := []pageRow{}
	for k := range load.Kind(load.NumKinds) {
		if c, ok := kinds[k.String()]; ok {
			rows = append(rows, newRow(k.String(), c))
		}
	}
	if len(rows) > 1 {
		rows = append(rows, newRow("all", j.Result.Total))
	}
	err = t.Execute(&table, pageData{r.title(), r.cfg.Target.ID.String(), j.Target.Address, r.from(), r.transport(), j.Program, j.Started.Format("2006-01-02 15:04:05 MST"), j.Result.Interrupted, rows, r.lines(), charts})
	return table.Bytes(), err
}

// pageData is the data of the template.
type pageData struct {
	Title, ID, Address, From, Transport, Program, Started string
	Interrupted                                           bool
	Rows                                                  []pageRow
	Lines                                                 [][2]string
	Charts                                                []template.HTML
}

// pageRow is a row of the table.
type pageRow struct {
	Name  string
	Cells []string
}

func newRow(name string, c jsonCounts) pageRow {
	row := pageRow{name, []string{count(c.Sent), count(c.Answered), rate(c.Rate), count(c.Lost)}}
	l := c.Latency
	for _, v := range []float64{l.Mean, l.P50, l.P90, l.P99, l.P999, l.P9999, l.Max} {
		cell := "-"
		if l.Count > 0 {
			cell = span(time.Duration(v * float64(time.Microsecond)))
		}
		row.Cells = append(row.Cells, cell)
	}
	return row
}

// charts draws what there is to draw.
func (r *report) charts(j *jsonReport) (list []template.HTML, err error) {
	var at []float64
	col := map[string][]float64{}
	for _, p := range j.Points {
		at = append(at, p.Start+p.Length/2)
		add := func(name string, v float64) { col[name] = append(col[name], v) }
		add("answered", float64(p.Answered)/p.Length)
		add("sent", float64(p.Sent)/p.Length)
		add("lost", float64(p.Lost)/p.Length)
		for name, v := range map[string]float64{"p50": p.P50, "p99": p.P99, "max": p.Max} {
			if p.Max == 0 {
				v = math.NaN() // no answer: a gap, not a line across it
			}
			add(name, v)
		}
		add("generator", p.OwnCPU)
		if p.Steal != nil {
			add("steal", *p.Steal)
		}
		if p.TargetCPU != nil {
			add("target", *p.TargetCPU)
			add("rss", float64(p.TargetRSS)/(1<<20))
		}
	}
	line := func(name, key string) chart.Line {
		y := col[key]
		return chart.Line{Name: name, X: at[:len(y)], Y: y}
	}
	var quantiles chart.Line
	for _, q := range j.Curve {
		if q.Quantile < 1 {
			quantiles.X = append(quantiles.X, 1/(1-q.Quantile))
			quantiles.Y = append(quantiles.Y, q.Latency)
		}
	}
	quantiles.Name = "latency"
	cpu := []chart.Line{line("generator", "generator")}
	target := len(col["target"]) > 0 // also of one that has ended
	if target {
		cpu = append(cpu, line("target", "target"))
	}
	if len(col["steal"]) > 0 {
		cpu = append(cpu, line("taken by other machines", "steal"))
	}
	const seconds = "time (s)"
	all := []chart.Chart{
		{Title: "Throughput", X: seconds, Y: "requests in a second", FromZero: true,
			Lines: []chart.Line{line("sent", "sent"), line("answered", "answered"), line("lost", "lost")}},
		{Title: "Latency over time", X: seconds, Y: "latency", LogY: true, FromZero: true, YMarks: decades(), Lines: []chart.Line{line("p50", "p50"), line("p99", "p99"), line("max", "max")}},
		{Title: "Latency by percentile", X: "percentile", Y: "latency", LogX: true, LogY: true, Lines: []chart.Line{quantiles}, XMarks: percentiles(), YMarks: decades()},
		{Title: "CPU", X: seconds, Y: "cores", FromZero: true, Lines: cpu},
	}
	if target {
		all = append(all, chart.Chart{Title: "Memory of the target", X: seconds, Y: "MiB resident", FromZero: true, Lines: []chart.Line{line("resident", "rss")}})
	}
	for _, c := range all {
		svg, err := c.SVG()
		if errors.Is(err, chart.ErrEmpty) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, template.HTML(svg)) // made of numbers and of names of this program
	}
	return list, nil
}

// percentiles are marks of an axis on which 1/(1-q) is shown.
func percentiles() []chart.Mark {
	return []chart.Mark{
		{At: 1, Label: "0"}, {At: 2, Label: "50"}, {At: 10, Label: "90"}, {At: 100, Label: "99"}, {At: 1e3, Label: "99.9"},
		{At: 1e4, Label: "99.99"}, {At: 1e5, Label: "99.999"}, {At: 1e6, Label: "99.9999"}, {At: 1e7, Label: "99.99999"},
	}
}

// decades are marks of an axis of microseconds.
func decades() []chart.Mark {
	return []chart.Mark{
		{At: 0.1, Label: "100 ns"}, {At: 1, Label: "1 µs"}, {At: 10, Label: "10 µs"}, {At: 100, Label: "100 µs"}, {At: 1e3, Label: "1 ms"},
		{At: 1e4, Label: "10 ms"}, {At: 1e5, Label: "100 ms"}, {At: 1e6, Label: "1 s"}, {At: 1e7, Label: "10 s"}, {At: 1e8, Label: "100 s"},
	}
}
