//go:build decred

package curve

import "github.com/fastdisc/discv5/internal/curve/decred"

// DefaultName is the name of this build's implementation.
const DefaultName = "decred"

// engine is the arithmetic of this build.
type engine = decred.Engine
