package drive

import "testing"

// Both sides make the same sessions, and all of them differ.
func TestMade(t *testing.T) {
	seen := make(map[[16]byte]bool)
	list := MadeSessions(3, 1000)
	for i, s := range list {
		if s != Made(3, i) {
			t.Fatalf("session %d differs the second time", i)
		}
		id, write, read := s.Parts()
		for _, part := range [][16]byte{[16]byte(id[:]), [16]byte(id[16:]), write, read} {
			if seen[part] {
				t.Fatalf("session %d has a part twice", i)
			}
			seen[part] = true
		}
	}
	if Made(4, 0) == list[0] {
		t.Error("another seed makes the same session")
	}
}
