//go:build discv5debug

package engine

import (
	"net/netip"
	"strings"
	"testing"
)

// Builds with the tag discv5debug find every use of a task after its release.
func TestTaskMisusePanics(t *testing.T) {
	addr := netip.MustParseAddr("20.1.1.1")
	for _, c := range []struct {
		name, want string
		misuse     func(q *taskQueue, x *task)
	}{
		{"released twice", "released twice", func(q *taskQueue, x *task) { q.release(x) }},
		{"written to", "written to after its release", func(q *taskQueue, x *task) {
			x.buf[17] = 1
			q.reserve(addr)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var q taskQueue
			q.init(4)
			x, _ := q.reserve(addr)
			q.release(x)
			defer func() {
				if r, ok := recover().(string); !ok || !strings.Contains(r, c.want) {
					t.Errorf("panic %v, want one about %q", r, c.want)
				}
			}()
			c.misuse(&q, x)
		})
	}
}
