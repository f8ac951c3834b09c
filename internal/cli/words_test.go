package cli

import "testing"

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n      int
		noun   string
		plural []string
		want   string
	}{
		{0, "node", nil, "0 nodes"},
		{1, "node", nil, "1 node"},
		{2, "node", nil, "2 nodes"},
		{1, "address", []string{"addresses"}, "1 address"},
		{2, "address", []string{"addresses"}, "2 addresses"},
	} {
		t.Run(c.want, func(t *testing.T) {
			if got := Count(c.n, c.noun, c.plural...); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
