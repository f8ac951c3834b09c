package statuspage

import (
	"fmt"
	"math"
	"strconv"
)

// Size of a chart in units of its path: two for each point.
const (
	chartWidth  = 2 * ringPoints
	chartHeight = 80
)

// chartLine is a line of a chart.
type chartLine struct {
	Name string
	Path string // of SVG; empty if there is nothing to draw
	of   series
}

// chart is a chart over one window, for the template.
type chart struct {
	Title  string
	Window string // hour or day
	From   string // label of the left end
	Top    string // label of the upper end
	Now    string // the newest values
	Label  string // says in words what the chart shows
	Lines  []chartLine
}

// plots are the charts of the page.
var plots = []struct {
	title string
	unit  func(float64) string
	lines []chartLine
}{
	{"Packets a second", number, []chartLine{{Name: "in", of: packetsIn}, {Name: "out", of: packetsOut}}},
	{"Handshakes a second", number, []chartLine{{Name: "accepted", of: handshakes}}},
	{"Drops a second", number, []chartLine{{Name: "all causes", of: drops}}},
	{"Handshake time", duration, []chartLine{{Name: "median", of: latencyMid}, {Name: "99 %", of: latencyTop}}},
	{"Sessions", number, []chartLine{{Name: "sessions", of: sessions}}},
	{"Live nodes in the table", number, []chartLine{{Name: "live", of: liveNodes}}},
	{"Unique peers an hour", number, []chartLine{{Name: "peers", of: peers}}},
	{"CPU", share, []chartLine{{Name: "of one processor", of: cpu}}},
}

// charts draws all charts over one window.
func charts(r *ring, window, from string) (list []chart) {
	points := r.all()
	for _, plot := range plots {
		c := chart{Title: plot.title, Window: window, From: from}
		top := 0.0
		for _, line := range plot.lines {
			for _, p := range points {
				top = max(top, float64(p.mean[line.of]))
			}
		}
		scale := roundUp(top)
		c.Top = plot.unit(scale)
		for i, line := range plot.lines {
			line.Path = path(points, line.of, scale)
			newest := -1.0
			if n := len(points); n > 0 {
				newest = float64(points[n-1].mean[line.of])
			}
			if i > 0 {
				c.Now += " / "
			}
			c.Now += plot.unit(newest)
			c.Lines = append(c.Lines, line)
		}
		c.Label = fmt.Sprintf("%s over the last %s: now %s, highest %s", c.Title, window, c.Now, plot.unit(top))
		list = append(list, c)
	}
	return list
}

// path draws a series as a path of SVG, in steps from point to point. The newest point is at the
// right end. A point without a value interrupts the line.
func path(points []*point, of series, top float64) string {
	if top <= 0 {
		top = 1
	}
	var b []byte
	down := false // the pen
	last := 0
	for i, p := range points {
		v := float64(p.mean[of])
		if v < 0 {
			down = false
			continue
		}
		y := chartHeight - int(math.Round(v/top*chartHeight))
		switch {
		case down:
			b = append(b, 'l', '2', ' ')
			b = strconv.AppendInt(b, int64(y-last), 10)
		default:
			b = append(b, 'M')
			b = strconv.AppendInt(b, int64(chartWidth-2*(len(points)-1-i)), 10)
			b = append(b, ' ')
			b = strconv.AppendInt(b, int64(y), 10)
			b = append(b, 'h', '0') // so that a point alone is visible
		}
		down, last = true, y
	}
	return string(b)
}

// roundUp returns the least of 1, 2 and 5 times a power of ten that is v or more.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, k := range []float64{1, 2, 5} {
		if k*unit >= v*(1-1e-9) {
			return k * unit
		}
	}
	return 10 * unit
}
