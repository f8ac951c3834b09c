package chart

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"math"
	"regexp"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Bounds of a Chart.
const (
	MaxLines  = 8
	MaxPoints = 100_000 // of all lines together
)

// Errors of Chart.SVG.
var (
	ErrEmpty = errors.New("no point can be drawn")
	ErrSize  = errors.New("too many lines or points")
	ErrPair  = errors.New("a line has not as many x as y")
)

// Line is a curve.
type Line struct {
	Name string // for the legend
	X, Y []float64
}

// Mark is a place on an axis.
type Mark struct {
	At    float64
	Label string
}

// Chart is a picture of lines.
type Chart struct {
	Title string
	X, Y  string // what the axes are, with unit
	Lines []Line
	// XMarks and YMarks are the marks of the axes. Without them there are numbers.
	XMarks, YMarks []Mark
	// LogX and LogY make an axis logarithmic. Points that it has no place for are left out, and
	// interrupt their line.
	LogX, LogY bool
	// FromZero lets axes begin at 0 that are not logarithmic.
	FromZero bool
	// Width and Height in pixels. Default: 760 by 300.
	Width, Height int
}

// Colors that color-blind readers can distinguish too.
var palette = [MaxLines]color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
	{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x33, 0x33, 0x33, 0xff}, {0x99, 0x99, 0x99, 0xff},
}

// SVG returns the picture as a single <svg> element. Points that are not numbers are left out, and
// interrupt their line.
func (c Chart) SVG() ([]byte, error) {
	p, err := c.plot()
	if err != nil {
		return nil, err
	}
	return c.render(p)
}

// plot puts the picture together.
func (c *Chart) plot() (*plot.Plot, error) {
	points := 0
	for _, l := range c.Lines {
		if len(l.X) != len(l.Y) {
			return nil, fmt.Errorf("%w: %s", ErrPair, l.Name)
		}
		points += len(l.X)
	}
	if len(c.Lines) > MaxLines || points > MaxPoints {
		return nil, ErrSize
	}
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	c.style(p)
	drawn := 0
	for i, l := range c.Lines {
		for n, xy := range c.pieces(l) {
			drawn += len(xy)
			line, err := plotter.NewLine(xy)
			if err != nil {
				return nil, fmt.Errorf("draw a chart: %w", err)
			}
			line.Color, line.Width = palette[i], vg.Points(1.5)
			p.Add(line)
			if len(xy) == 1 { // a line of one point cannot be seen
				dot, err := plotter.NewScatter(xy)
				if err != nil {
					return nil, fmt.Errorf("draw a chart: %w", err)
				}
				dot.Color, dot.Shape = palette[i], draw.CircleGlyph{}
				p.Add(dot)
			}
			if n == 0 {
				p.Legend.Add(l.Name, line)
			}
		}
	}
	if drawn == 0 {
		return nil, ErrEmpty
	}
	c.axes(p)
	return p, nil
}

// pieces are the points of a line that can be drawn. Where some cannot it is interrupted.
func (c *Chart) pieces(l Line) (list []plotter.XYs) {
	fits := func(v float64, log bool) bool {
		return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
	}
	open := false
	for i, x := range l.X {
		y := l.Y[i]
		switch {
		case !fits(x, c.LogX) || !fits(y, c.LogY):
			open = false
			continue
		case !open:
			list, open = append(list, nil), true
		}
		last := &list[len(list)-1]
		*last = append(*last, plotter.XY{X: x, Y: y})
	}
	return list
}

// style sets fonts and grid.
func (c *Chart) style(p *plot.Plot) {
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xdd}, color.Gray{0xdd}
	p.Add(grid)
	for _, s := range []*text.Style{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		s.Font.Typeface, s.Font.Variant, s.Font.Size = "Liberation", "Sans", font.Length(vg.Points(9))
	}
	p.Title.TextStyle.Font.Size = font.Length(vg.Points(12))
	p.Legend.Top, p.Legend.Left = true, true
}

// axes sets ranges, scales and marks, once all lines are there.
func (c *Chart) axes(p *plot.Plot) {
	if c.LogX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else if c.FromZero {
		p.X.Min = min(p.X.Min, 0)
	}
	if c.LogY {
		// Whole decades have marks with numbers.
		highest := p.Y.Max
		p.Y.Min = math.Pow(10, math.Floor(math.Log10(p.Y.Min)))
		p.Y.Max = math.Pow(10, math.Ceil(math.Log10(p.Y.Max)))
		if p.Y.Min == p.Y.Max {
			p.Y.Max *= 10
		}
		if highest > p.Y.Max*math.Pow(p.Y.Min/p.Y.Max, 0.15) && len(c.Lines) > 1 {
			p.Y.Max *= 10 // room for the legend
		}
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else if c.FromZero {
		p.Y.Min = min(p.Y.Min, 0)
		if p.Y.Max == p.Y.Min {
			p.Y.Max = p.Y.Min + 1
		}
		p.Y.Max += (p.Y.Max - p.Y.Min) / 4 // room for the legend
	}
	if p.X.Min == p.X.Max {
		p.X.Max = 2*p.X.Max + 1
	}
	mark(&p.X, c.XMarks)
	mark(&p.Y, c.YMarks)
}

// mark puts those marks on an axis that it has a place for, if there are any.
func mark(a *plot.Axis, marks []Mark) {
	var ticks plot.ConstantTicks
	for _, m := range marks {
		if m.At >= a.Min && m.At <= a.Max {
			ticks = append(ticks, plot.Tick{Value: m.At, Label: m.Label})
		}
	}
	if len(ticks) > 0 {
		a.Tick.Marker = ticks
	}
}

// The renderer names the font that it measured with. Where it is not installed the page's own does
// as well.
var family = regexp.MustCompile(`font-family:[^;"]*`)

// render draws p and cuts off what stands before the element.
func (c *Chart) render(p *plot.Plot) ([]byte, error) {
	w, h := c.Width, c.Height
	if w <= 0 {
		w = 760
	}
	if h <= 0 {
		h = 300
	}
	const pixel = vg.Inch / 96
	canvas := vgsvg.New(vg.Length(w)*pixel, vg.Length(h)*pixel)
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("draw a chart: %w", err)
	}
	out := b.Bytes()
	if i := bytes.Index(out, []byte("<svg")); i > 0 {
		out = out[i:]
	}
	return family.ReplaceAll(out, []byte("font-family:Liberation Sans,Arial,sans-serif")), nil
}
