package limits

import (
	"strings"
	"testing"
)

// TestS47RuleErrorQuotesLittle: an error quotes at most 100 bytes of a line.
func TestS47RuleErrorQuotesLittle(t *testing.T) {
	long := strings.Repeat("7", 60_000)
	for _, text := range []string{long, "192.0.2.1 " + long, "10.0.0.0/" + long} {
		_, err := ParseRules(strings.NewReader(text))
		if err == nil || strings.Contains(err.Error(), long[:101]) || len(err.Error()) > 300 {
			t.Errorf("%.20s...: %.300v", text, err)
		}
	}
}
