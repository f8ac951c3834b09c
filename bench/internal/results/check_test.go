package results

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A complete file lacks nothing; without any one part of it, Check says which.
func TestCheck(t *testing.T) {
	if err := Example().Check(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*File)
		want   string // part of the error; empty: none
	}{
		{"empty", func(f *File) { *f = File{} }, "ping on discv5"},
		{"machine", func(f *File) { f.Machine.Kernel = "" }, "machine"},
		{"commands", func(f *File) { f.Commands = nil }, "commands"},
		{"a workload", func(f *File) { f.Row("talk", Own).Workload = "other" }, "talk on discv5"},
		{"echo", func(f *File) { f.Row("ping", Echo).Server = "other" }, "ping on echo"},
		{"a foreign server", func(f *File) { f.Row("ping", Rust).Server = "other" }, "ping on rust"},
		{"a foreign server, with reason", func(f *File) {
			f.Row("ping", Rust).Server = "other"
			f.Skipped = append(f.Skipped, Skipped{Rust, "no toolchain"})
		}, ""},
		{"own server, with reason", func(f *File) {
			f.Row("ping", Own).Server = "other"
			f.Skipped = append(f.Skipped, Skipped{Own, "no time"})
		}, "ping on discv5"},
		{"no GSO, with reason", func(f *File) {
			f.Row("ping", Single).Server = "other"
			f.Skipped = append(f.Skipped, Skipped{Single, "no time"})
		}, "ping on discv5, no GSO"},
		{"no GSO, of a file older than it", func(f *File) {
			f.Version = 2
			f.Rows = slices.DeleteFunc(f.Rows, func(r Row) bool { return r.Server == Single })
		}, ""},
		{"a flood without GSO, with reason", func(f *File) {
			f.Flooded(Single, 400_000).Samples = nil
			f.Skipped = append(f.Skipped, Skipped{Single, "no time"})
		}, "no GSO beside 400000 junk"},
		{"samples", func(f *File) { f.Row("ping", Own).Samples = nil }, "cost of ping"},
		{"cost", func(f *File) { f.Row("ping", Own).Median = 0 }, "cost of ping"},
		{"ratio", func(f *File) { f.Row("ping", Geth).Ratio = 0 }, "ratio of ping on go-ethereum"},
		{"memory", func(f *File) { f.Memory = f.Memory[1:] }, "memory of sessions of discv5"},
		{"a flood", func(f *File) { f.Flooded(Geth, FullSpeed).Junk = 7 }, "go-ethereum beside -1 junk"},
		{"slices of a flood", func(f *File) { f.Flooded(Own, NoJunk).Samples = nil }, "discv5 beside 0 junk"},
		{"floods", func(f *File) { f.Flood = nil }, "discv5 beside 0 junk"},
		{"floods, of a file older than they", func(f *File) { f.Version, f.Flood = 1, nil }, ""},
		{"a flood on a foreign server, with reason", func(f *File) {
			f.Flood = slices.DeleteFunc(f.Flood, func(x Flood) bool { return x.Server == Rust })
			f.Rows = slices.DeleteFunc(f.Rows, func(r Row) bool { return r.Server == Rust })
			f.Skipped = append(f.Skipped, Skipped{Rust, "no toolchain"})
		}, ""},
		{"workers", func(f *File) { f.Workers = f.Workers[:1] }, "workers: 2"},
		{"sessions", func(f *File) { f.Sessions = f.Sessions[:4] }, "100000 sessions"},
		{"junk", func(f *File) { f.Junk = f.Junk[1:] }, "0 % junk"},
		{"a fact", func(f *File) { f.Facts = f.Facts[1:] }, "session, of TestSessionSize"},
		{"facts, of a file older than they", func(f *File) { f.Version, f.Facts = 1, nil }, ""},
		{"a stage", func(f *File) { f.Stages = f.Stages[1:] }, "unmask the header"},
		{"time of a stage", func(f *File) { f.Stages[1].Nanos = 0 }, "unmask and parse"},
	} {
		f := Example()
		tt.change(f)
		err := f.Check()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("without %s: %v", tt.name, err)
		case tt.want != "" && (!errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("without %s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestSaveLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	f := Example()
	if err := f.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
	if a, b := got.Row("findnode", Own), f.Row("findnode", Own); a.Median != b.Median || len(a.Samples) != len(b.Samples) || a.Samples[0] != b.Samples[0] {
		t.Errorf("%+v, want %+v", a, b)
	}
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "x", "another version": `{"Version": 99}`, "no version": `{}`, "unknown field": `{"Version": 1, "Rowz": []}`,
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
