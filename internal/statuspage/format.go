package statuspage

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// thousands writes a number with commas between groups of three digits.
func thousands[T ~int | ~uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a number and a noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// number writes a figure with three digits or as a whole number.
func number(v float64) string {
	switch {
	case v < 0 || math.IsNaN(v):
		return "–"
	case v == 0:
		return "0"
	case v < 0.01:
		return "< 0.01"
	case v < 10:
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	case v < 100:
		return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	}
	return thousands(int(v + 0.5))
}

// share writes a part of one in percent.
func share(v float64) string {
	if v < 0 {
		return "–"
	}
	return number(100*v) + " %"
}

// duration writes seconds with a unit.
func duration(s float64) string {
	switch {
	case s < 0:
		return "–"
	case s == 0:
		return "0"
	case s < 1e-3:
		return number(s*1e6) + " µs"
	case s < 1:
		return number(s*1e3) + " ms"
	}
	return number(s) + " s"
}

// size writes a size with a unit.
func size(v float64) string {
	switch {
	case v <= 0:
		return "–"
	case v < 1<<20:
		return number(v/1024) + " KiB"
	}
	return number(v/(1<<20)) + " MiB"
}

// span writes a length of time in its two largest units.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	days, h, m, s := d/(24*time.Hour), d/time.Hour%24, d/time.Minute%60, d/time.Second%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, h)
	case h > 0:
		return fmt.Sprintf("%d h %d min", h, m)
	case m > 0:
		return fmt.Sprintf("%d min %d s", m, s)
	}
	return fmt.Sprintf("%d s", s)
}
