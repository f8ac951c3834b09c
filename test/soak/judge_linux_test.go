package soak

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/load"
)

// A report complains of growth and of answers that are missing, each only where it may, and its
// files can be read.
func TestReport(t *testing.T) {
	t.Parallel()
	const perSecond = 1500
	long := judgeable(perSecond)
	for _, c := range []struct {
		name     string
		length   time.Duration
		leak     float64 // bytes in a second
		answered uint64  // of 1000
		missed   int
		want     []string // what complaints hold
	}{
		{"good", long, 0, 1000, 0, nil},
		{"some answers are missing", long, 0, 990, 3, nil},
		{"leak", long, 64 << 10, 1000, 0, []string{"resident memory grew"}},
		{"leak in a run that is warm-up alone", long / 2, 64 << 10, 1000, 0, nil},
		{"too few answers", long, 0, 989, 0, []string{"989 of 1000"}},
		{"too few samples", long, 0, 1000, 50, []string{"50 were not"}},
	} {
		s := &sampler{start: time.Now(), missed: c.missed, cause: errors.New("no answer")}
		for i := range 201 {
			at := c.length.Seconds() * float64(i) / 200
			s.samples = append(s.samples, sample{Seconds: at, RSS: 40*mebibyte + c.leak*at, Heap: 20 * mebibyte, Goroutines: 17, Sessions: mapSlots})
		}
		parts := []*generator{{name: "steady", result: &load.Result{Total: load.Counts{Sent: 1000, Answered: c.answered, Lost: 1000 - c.answered}}}}
		r := newReport(s, parts, perSecond)
		if len(r.Complaints) != len(c.want) {
			t.Errorf("%s: complaints %q", c.name, r.Complaints)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(r.Complaints[i], want) {
				t.Errorf("%s: complaint %q, want %q", c.name, r.Complaints[i], want)
			}
		}
		if len(r.lines()) < 10 {
			t.Errorf("%s: %d lines", c.name, len(r.lines()))
		}
		checkFiles(t, r)
	}
	if r := newReport(&sampler{}, []*generator{{name: "steady"}}, perSecond); len(r.Complaints) != 1 {
		t.Errorf("without any result: %q", r.Complaints)
	} else if err := r.write(t.TempDir()); err != nil {
		t.Error(err)
	}
}

func checkFiles(t *testing.T, r *report) {
	t.Helper()
	dir := t.TempDir()
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "soak.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(text, &back); err != nil || len(back.Samples) != len(r.Samples) {
		t.Errorf("soak.json: %d samples, %v", len(back.Samples), err)
	}
	curves, _ := filepath.Glob(filepath.Join(dir, "*.svg"))
	if len(curves) != 4 {
		t.Errorf("%d curves", len(curves))
	}
	for _, path := range curves {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(f); err == nil; {
			_, err = d.Token()
		}
		if err != io.EOF {
			t.Errorf("%s: %v", path, err)
		}
		f.Close()
	}
}
