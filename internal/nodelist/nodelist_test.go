package nodelist

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []Entry
	}{
		{"empty", "", nil},
		{"one", "enr:a", []Entry{{"enr:a", 1}}},
		{"lines", "enr:a\n\nenr:b\n", []Entry{{"enr:a", 1}, {"enr:b", 3}}},
		{"Windows lines", "enr:a\r\nenr:b\r\n", []Entry{{"enr:a", 1}, {"enr:b", 2}}},
		{"commas", "enr:a,enr:b, enode://c@d:1", []Entry{{"enr:a", 1}, {"enr:b", 1}, {"enode://c@d:1", 1}}},
		{"comments", "# enr:x\nenr:a # enr:y\nenr:b#z\n", []Entry{{"enr:a", 2}, {"enr:b", 3}}},
		{"YAML", "---\n# list\nbootnodes:\n  - enr:a # 192.0.2.1 | here\n  - \"enr:b\"\n  - 'enr:c'\n...\n", []Entry{{"enr:a", 4}, {"enr:b", 5}, {"enr:c", 6}}},
		{"YAML on one line", "nodes: [enr:a, enr:b]", []Entry{{"enr:a", 1}, {"enr:b", 1}}},
		{"JSON", "[\n  \"enr:a\",\n  \"enr:b\"\n]\n", []Entry{{"enr:a", 2}, {"enr:b", 3}}},
		{"JSON on one line", `["enr:a","enr:b"]`, []Entry{{"enr:a", 1}, {"enr:b", 1}}},
		{"byte order mark", "\ufeff- enr:a\n", []Entry{{"enr:a", 1}}},
		{"base64 that begins with a dash", "-IS4Q\n- -IS4R", []Entry{{"-IS4Q", 1}, {"-IS4R", 2}}},
		{"a cut entry is one", "enr:\n", []Entry{{"enr:", 1}}},
		{"a key is one at the start of a line only", "enr:a other:\n", []Entry{{"enr:a", 1}, {"other:", 1}}},
		{"IPv6 in an enode URL", "- enode://c@[::1]:9000", []Entry{{"enode://c@[::1]:9000", 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []Entry
			for e, err := range Read(iotest.OneByteReader(strings.NewReader(c.in))) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	fail := errors.New("no disk")
	for _, c := range []struct {
		name string
		in   func() (Entry, error)
		want error
	}{
		{"long entry", func() (e Entry, err error) {
			for e, err = range Split("enr:a\n" + strings.Repeat("x", MaxEntry+1) + "\nenr:b") {
			}
			return e, err
		}, ErrEntrySize},
		{"reader", func() (e Entry, err error) {
			for e, err = range Read(iotest.ErrReader(fail)) {
			}
			return e, err
		}, fail},
	} {
		if e, err := c.in(); !errors.Is(err, c.want) || e.Text != "" || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: %+v, %v", c.name, e, err)
		}
	}
	n := 0
	for range Split("a b c") {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d entries after a break", n)
	}
	long := strings.Repeat("x", MaxEntry)
	for e, err := range Split(long) {
		if err != nil || e.Text != long {
			t.Errorf("the longest entry: %v", err)
		}
	}
	// A comment has any length.
	for e, err := range Split("#" + strings.Repeat("x", 10*MaxEntry) + "\nenr:a") {
		if err != nil || e != (Entry{"enr:a", 2}) {
			t.Errorf("%+v, %v", e, err)
		}
	}
}
