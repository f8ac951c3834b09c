package soak

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fastdisc/discv5/internal/chart"
	"github.com/fastdisc/discv5/internal/load"
)

const mebibyte = 1 << 20

// watched are the series that must not grow.
var watched = [...]struct {
	name  string
	unit  float64 // what a figure is divided by for people
	label string
	get   func(*sample) float64
	tol   tolerance
}{
	{"resident memory", mebibyte, "MiB", func(x *sample) float64 { return x.RSS }, tolerance{0.10, 4 * mebibyte}},
	{"heap in use", mebibyte, "MiB", func(x *sample) float64 { return x.Heap }, tolerance{0.10, 4 * mebibyte}},
	{"goroutines", 1, "", func(x *sample) float64 { return x.Goroutines }, tolerance{0.10, 4}},
	{"descriptors", 1, "", func(x *sample) float64 { return x.Descriptors }, tolerance{0, 3}},
	{"sessions", 1, "", func(x *sample) float64 { return x.Sessions }, tolerance{0.05, 16}},
	{"challenges", 1, "", func(x *sample) float64 { return x.Challenges }, tolerance{0.25, 64}},
	{"table", 1, "", func(x *sample) float64 { return x.Table }, tolerance{0.10, 16}},
	{"pending requests", 1, "", func(x *sample) float64 { return x.Pending }, tolerance{0.25, 32}},
	{"tasks", 1, "", func(x *sample) float64 { return x.Tasks }, tolerance{0.25, 32}},
}

// part holds the figures of one generator's requests.
type part struct {
	Name     string        `json:"name"`
	Sent     uint64        `json:"sent"`
	Answered uint64        `json:"answered"`
	Lost     uint64        `json:"lost"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
	Max      time.Duration `json:"max_ns"`
	Events   load.Events   `json:"events"`
}

// trend is the rule's verdict on a series.
type trend struct {
	Name  string  `json:"name"`
	Early float64 `json:"median_of_second_quarter"`
	Late  float64 `json:"median_of_last_quarter"`
	unit  float64
	label string
}

// report is the result of a soak.
type report struct {
	Started    time.Time `json:"started"`
	Seconds    float64   `json:"seconds"` // that the load took
	Rate       float64   `json:"rate"`    // requests in a second that were asked for
	Complete   bool      `json:"complete"`
	Judged     bool      `json:"growth_judged"`
	Missed     int       `json:"samples_missed"`
	Parts      []part    `json:"load"`
	Trends     []trend   `json:"trends"`
	Complaints []string  `json:"complaints"`
	Samples    []sample  `json:"samples"`
}

// newReport judges a soak.
func newReport(s *sampler, parts []*generator, perSecond float64) *report {
	r := &report{Started: s.start, Rate: perSecond, Complete: true, Missed: s.missed, Samples: s.samples}
	if n := len(s.samples); n > 0 {
		r.Seconds = s.samples[n-1].Seconds
	}
	complain := func(format string, args ...any) { r.Complaints = append(r.Complaints, fmt.Sprintf(format, args...)) }
	for i, p := range parts {
		res := p.result
		if res == nil {
			complain("%s: nothing was sent", p.name)
			continue
		}
		r.Complete = r.Complete && !res.Interrupted
		r.Parts = append(r.Parts, part{p.name, res.Total.Sent, res.Total.Answered, res.Total.Lost,
			res.Latency.Quantile(0.5), res.Latency.Quantile(0.99), res.Latency.Max(), res.Events})
		if i == 0 && !served(res.Total.Answered, res.Total.Sent+res.Total.Unsent) {
			complain("%s: %d of %d requests were answered, want 99 %%", p.name, res.Total.Answered, res.Total.Sent+res.Total.Unsent)
		}
	}
	if s.missed > len(s.samples)/20 {
		complain("%d samples were taken and %d were not: %v", len(s.samples), s.missed, s.cause)
	}
	r.Judged = time.Duration(r.Seconds*float64(time.Second)) >= judgeable(perSecond)
	for _, w := range watched {
		series := make([]float64, len(s.samples))
		for i := range s.samples {
			series[i] = w.get(&s.samples[i])
		}
		early, late, err := grows(series, w.tol)
		r.Trends = append(r.Trends, trend{w.name, early, late, w.unit, w.label})
		if err != nil && r.Judged {
			complain("%s %v", w.name, err)
		}
	}
	return r
}

// lines are the figures for people.
func (r *report) lines() (list []string) {
	line := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	line("%.0f s at %.0f requests/s, complete: %v, growth judged: %v, %d samples, %d missed", r.Seconds, r.Rate, r.Complete, r.Judged, len(r.Samples), r.Missed)
	for _, p := range r.Parts {
		line("%-15s sent %d, answered %d (%.3f %%), lost %d, p50 %v, p99 %v, longest %v, new sessions for lost ones %d", p.Name, p.Sent, p.Answered,
			100*float64(p.Answered)/float64(max(p.Sent, 1)), p.Lost, p.P50, p.P99, p.Max, p.Events.Rekeys)
	}
	for _, x := range r.Trends {
		line("%-17s second quarter %.1f, last quarter %.1f %s", x.Name, x.Early/x.unit, x.Late/x.unit, x.label)
	}
	if n := len(r.Samples); n > 0 {
		x := r.Samples[n-1]
		line("at the end: datagrams in %.0f, out %.0f, dropped by the node %.0f, by the kernel %.0f (a GRO batch is one), CPU %.0f s, restarts of peers %.0f",
			x.In, x.Out, x.Dropped, x.KernelDrops, x.CPU, x.Restarts)
	}
	return list
}

// write makes soak.json and the curves.
func (r *report) write(dir string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "soak.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	x := r.series(func(s *sample) float64 { return s.Seconds / 60 })
	curve := func(name string, unit float64, get func(*sample) float64) chart.Line {
		y := r.series(get)
		for i := range y {
			y[i] /= unit
		}
		return chart.Line{Name: name, X: x, Y: y}
	}
	flow := func(name string, get func(*sample) float64) chart.Line {
		return chart.Line{Name: name, X: x, Y: perSecond(r.series(get), r.series(func(s *sample) float64 { return s.Seconds }))}
	}
	charts := []struct {
		file string
		c    chart.Chart
	}{
		{"soak-memory.svg", chart.Chart{Title: "Memory of the bootnode", Y: "MiB", Lines: []chart.Line{
			curve("resident", mebibyte, func(s *sample) float64 { return s.RSS }), curve("heap in use", mebibyte, func(s *sample) float64 { return s.Heap })}}},
		{"soak-sessions.svg", chart.Chart{Title: "Sessions and challenges", Y: "number", Lines: []chart.Line{
			curve("sessions", 1, func(s *sample) float64 { return s.Sessions }), curve("challenges", 1, func(s *sample) float64 { return s.Challenges })}}},
		{"soak-counts.svg", chart.Chart{Title: "Other counts that must not grow", Y: "number", Lines: []chart.Line{
			curve("goroutines", 1, func(s *sample) float64 { return s.Goroutines }), curve("descriptors", 1, func(s *sample) float64 { return s.Descriptors }),
			curve("table", 1, func(s *sample) float64 { return s.Table }), curve("pending requests", 1, func(s *sample) float64 { return s.Pending })}}},
		{"soak-traffic.svg", chart.Chart{Title: "Traffic", Y: "per second", Lines: []chart.Line{
			flow("steady requests answered", func(s *sample) float64 { return s.Answered }), flow("datagrams in", func(s *sample) float64 { return s.In }),
			flow("dropped by the node", func(s *sample) float64 { return s.Dropped }), flow("dropped by the kernel (a GRO batch is one)", func(s *sample) float64 { return s.KernelDrops })}}},
	}
	for _, p := range charts {
		p.c.X, p.c.FromZero = "minutes", true
		svg, err := p.c.SVG()
		if errors.Is(err, chart.ErrEmpty) {
			continue // interrupted before there was a sample
		} else if err != nil {
			return fmt.Errorf("%s: %w", p.file, err)
		}
		if err := os.WriteFile(filepath.Join(dir, p.file), append(svg, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *report) series(get func(*sample) float64) []float64 {
	list := make([]float64, len(r.Samples))
	for i := range r.Samples {
		list[i] = get(&r.Samples[i])
	}
	return list
}

// perSecond turns a count that rises into what came in each second, as a mean over a few samples.
func perSecond(count, seconds []float64) []float64 {
	const over = 5
	list := make([]float64, len(count))
	for i := range count {
		if j := max(i-over, 0); seconds[i] > seconds[j] {
			list[i] = (count[i] - count[j]) / (seconds[i] - seconds[j])
		}
	}
	if len(list) > 1 {
		list[0] = list[1]
	}
	return list
}
