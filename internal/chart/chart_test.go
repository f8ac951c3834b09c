package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// elements reads SVG as XML, and returns how often each element comes.
func elements(t *testing.T, svg []byte) map[string]int {
	t.Helper()
	count := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return count
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			count[e.Name.Local]++
			for _, a := range e.Attr {
				if n := a.Name.Local; n == "href" || n == "src" {
					t.Errorf("element %s has %s=%q", e.Name.Local, n, a.Value)
				}
			}
		case xml.ProcInst, xml.Directive:
			t.Errorf("%v cannot stand in HTML", e)
		}
	}
}

func TestSVG(t *testing.T) {
	two := []Line{{"first & <one>", []float64{0, 1, 2}, []float64{5, 3, 8}}, {"second", []float64{0, 1, 2}, []float64{1, 0, 2}}}
	for name, c := range map[string]Chart{
		"two lines":      {Title: "A title", X: "time (s)", Y: "requests", Lines: two, FromZero: true},
		"logarithmic":    {Title: "A title", Lines: two, LogX: true, LogY: true},
		"marks":          {Title: "A title", Lines: two, XMarks: []Mark{{0, "start"}, {2, "end"}, {7, "beyond"}}, YMarks: []Mark{{5, "five"}}},
		"one point":      {Title: "A title", Lines: []Line{{"p", []float64{3}, []float64{4}}}},
		"one point, log": {Title: "A title", Lines: []Line{{"p", []float64{1}, []float64{1}}}, LogX: true, LogY: true},
		"origin":         {Title: "A title", Lines: []Line{{"p", []float64{0}, []float64{0}}}, FromZero: true},
		"flat":           {Title: "A title", Lines: []Line{{"p", []float64{0, 1}, []float64{7, 7}}}},
		"with holes":     {Title: "A title", Lines: []Line{{"p", []float64{0, 1, 2, 3}, []float64{math.NaN(), 1, math.Inf(1), 2}}, {"none", nil, nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			svg, err := c.SVG()
			if err != nil {
				t.Fatal(err)
			}
			if n := elements(t, svg); n["svg"] != 1 || n["path"] < 3 || n["text"] < 2 {
				t.Errorf("elements %v", n)
			}
			text := string(svg)
			if !strings.HasPrefix(text, "<svg") || !strings.Contains(text, "A title") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
				t.Errorf("svg: %.300s", text)
			}
			if marks := strings.Contains(text, "start") && strings.Contains(text, "five"); marks != (name == "marks") || strings.Contains(text, "beyond") {
				t.Error("marks are missing, or one stands outside of the axis")
			}
		})
	}
}

// A point that cannot be drawn interrupts its line.
func TestGap(t *testing.T) {
	paths := func(y ...float64) int {
		x := make([]float64, len(y))
		for i := range x {
			x[i] = float64(i)
		}
		svg, err := Chart{Lines: []Line{{"l", x, y}}, LogY: true, YMarks: []Mark{{1, "one"}}}.SVG()
		if err != nil {
			t.Fatal(err)
		}
		return elements(t, svg)["path"]
	}
	whole := paths(1, 2, 3, 4, 5)
	for name, y := range map[string][]float64{"not a number": {1, 2, math.NaN(), 4, 5}, "no place": {1, 2, 0, 4, 5}} {
		if n := paths(y...); n != whole+1 {
			t.Errorf("%s: %d paths, %d without a gap", name, n, whole)
		}
	}
}

// Curves stay below the legend, which is at the top, also on a logarithmic axis.
func TestLegendRoom(t *testing.T) {
	for high, want := range map[float64]float64{9000: 100_000, 1100: 10_000} {
		c := Chart{Lines: []Line{{"a", []float64{0, 1}, []float64{1, high}}, {"b", []float64{0, 1}, []float64{2, 3}}}, LogY: true}
		p, err := c.plot()
		if err != nil {
			t.Fatal(err)
		}
		if p.Y.Max != want {
			t.Errorf("an axis for %v ends at %v, want %v", high, p.Y.Max, want)
		}
	}
}

func TestSize(t *testing.T) {
	c := Chart{Lines: []Line{{"l", []float64{0, 1}, []float64{0, 1}}}, Width: 400, Height: 200}
	svg, err := c.SVG()
	if err != nil {
		t.Fatal(err)
	}
	// 96 pixels are 72 points.
	if head, _, _ := strings.Cut(string(svg), ">"); !strings.Contains(head, `width="300pt"`) || !strings.Contains(head, `height="150pt"`) {
		t.Errorf("head %s", head)
	}
}

func TestErrors(t *testing.T) {
	line := Line{"l", []float64{0, 1}, []float64{0, -1}}
	for name, c := range map[string]struct {
		chart Chart
		want  error
	}{
		"nothing":         {Chart{}, ErrEmpty},
		"empty line":      {Chart{Lines: []Line{{Name: "l"}}}, ErrEmpty},
		"no place":        {Chart{Lines: []Line{line}, LogY: true}, ErrEmpty},
		"not a number":    {Chart{Lines: []Line{{"l", []float64{1}, []float64{math.NaN()}}}}, ErrEmpty},
		"no pairs":        {Chart{Lines: []Line{{"l", []float64{1}, nil}}}, ErrPair},
		"too many lines":  {Chart{Lines: make([]Line, MaxLines+1)}, ErrSize},
		"too many points": {Chart{Lines: []Line{{"l", make([]float64, MaxPoints+1), make([]float64, MaxPoints+1)}}}, ErrSize},
	} {
		if _, err := c.chart.SVG(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
