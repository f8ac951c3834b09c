package curve

import (
	"testing"

	"github.com/fastdisc/discv5/internal/curve/decred"
	"github.com/fastdisc/discv5/internal/curve/k256"
)

// TestS49Default: the build tag selects the implementation.
func TestS49Default(t *testing.T) {
	var want Curve = k256.Engine{}
	if DefaultName == "decred" {
		want = decred.Engine{}
	}
	if Default() != want {
		t.Errorf("engine %T in a build of %s", Default(), DefaultName)
	}
}
