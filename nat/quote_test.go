package nat

import (
	"strings"
	"testing"
)

// TestS47SpecErrorQuotesLittle: an error quotes at most 100 bytes of a setting.
func TestS47SpecErrorQuotesLittle(t *testing.T) {
	long := strings.Repeat("7", 1_000_000)
	for _, text := range []string{long, "none:" + long, "extip:" + long, "pmp:" + long, "stun:" + long, "stun:a:" + long, "stun:" + long + ":1"} {
		_, err := Parse(text)
		if err == nil || strings.Contains(err.Error(), long[:101]) || len(err.Error()) > 600 {
			t.Errorf("%.20s...: %.300v", text, err)
		}
	}
}
