package quote

import (
	"strings"
	"testing"
)

func TestChoices(t *testing.T) {
	for values, want := range map[string]string{
		"": "", "a": "a", "a b": "a or b", "a b c": "a, b or c", "a b c d": "a, b, c or d",
	} {
		t.Run(values, func(t *testing.T) {
			if got := Choices(strings.Fields(values)); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
