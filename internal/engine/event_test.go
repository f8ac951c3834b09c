package engine

import "testing"

// Each kind has a word of its own, for logs.
func TestEventKindString(t *testing.T) {
	seen := make(map[string]bool)
	for k := SessionEstablished; k <= TopicFound; k++ {
		if s := k.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("kind %d is %q", int(k), s)
		}
		seen[k.String()] = true
	}
	for _, k := range []EventKind{-1, 0, TopicFound + 1} {
		if k.String() != "unknown" {
			t.Errorf("kind %d is %q", int(k), k)
		}
	}
}
