package clitest

import "testing"

func TestLongestRun(t *testing.T) {
	for _, tt := range []struct {
		text, chars string
		want        int
	}{{"", "7", 0}, {"a777b7", "7", 3}, {"777", "7", 3}, {"äaää", "ä", 2}, {"a7x7b", "7x", 3}} {
		if n := LongestRun(tt.text, tt.chars); n != tt.want {
			t.Errorf("LongestRun(%q, %q) = %d, want %d", tt.text, tt.chars, n, tt.want)
		}
	}
}
