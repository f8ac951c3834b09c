package failed

import (
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// look is the node table at a save, and the expected result. Nodes are single letters; live nodes
// are in upper case.
type look struct {
	at             time.Duration
	table          string
	failed, silent string
}

func TestTracker(t *testing.T) {
	const trial = time.Minute
	for _, c := range []struct {
		name, seeds string
		looks       []look
	}{
		{"a live node leaves the table", "", []look{{1, "AB", "", ""}, {2, "A", "b", ""}, {3, "A", "", ""}}},
		{"a node that was not live leaves the table", "", []look{{1, "Ab", "", ""}, {2, "A", "", ""}}},
		{"a live node falls silent but stays", "", []look{{1, "AB", "", ""}, {2, "Ab", "", ""}, {3, "A", "", ""}}},
		{"more nodes leave than remain", "", []look{{1, "ABCDE", "", ""}, {2, "AB", "", ""}, {3, "A", "b", ""}}},
		{"as many leave as remain", "", []look{{1, "ABCD", "", ""}, {2, "AB", "cd", ""}}},
		{"no node is live", "x", []look{{1, "A", "", ""}, {2 * trial, "", "", ""}, {3 * trial, "a", "", ""}}},
		{"seeds within their trial", "abc", []look{{1, "A", "", ""}, {trial, "A", "", ""}}},
		{"seeds after their trial", "abc", []look{{1, "A", "", ""}, {trial + 1, "Ab", "c", "c"}, {trial + 2, "Ab", "", ""}}},
		{"a seed that left the table fails once", "abc", []look{{1, "ABC", "", ""}, {trial + 1, "AB", "c", ""}}},
		{"the trial waits for the network", "ab", []look{{2 * trial, "", "", ""}, {3 * trial, "A", "b", "b"}}},
		{"all seeds answer", "ab", []look{{trial + 1, "AB", "", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tracker := NewTracker(ids(c.seeds), trial)
			for i, l := range c.looks {
				for _, n := range l.table {
					tracker.Saw(id(n), n < 'a')
				}
				failed, silent := tracker.Failed(l.at)
				if !same(failed, l.failed) || !same(silent, l.silent) {
					t.Errorf("look %d: failed %q, silent %q, want %q and %q", i, letters(failed), letters(silent), l.failed, l.silent)
				}
			}
		})
	}
}

func id(n rune) (id enr.ID) {
	id[0] = byte(n | 0x20)
	return id
}

func ids(text string) (list []enr.ID) {
	for _, n := range text {
		list = append(list, id(n))
	}
	return list
}

func letters(list []enr.ID) string {
	b := make([]byte, len(list))
	for i, id := range list {
		b[i] = id[0]
	}
	slices.Sort(b)
	return string(b)
}

func same(list []enr.ID, want string) bool { return letters(list) == want }
