package curve

import (
	"testing"

	"github.com/fastdisc/discv5/internal/curve/decred"
	"github.com/fastdisc/discv5/internal/curve/k256"
)

// The build tag decides which engine everything above this package uses.
func TestS49Default(t *testing.T) {
	var want Curve = k256.Engine{}
	if DefaultName == "decred" {
		want = decred.Engine{}
	}
	if Default() != want {
		t.Errorf("engine %T in a build of %s", Default(), DefaultName)
	}
}
