//go:build decred

package curve

import "github.com/fastdisc/discv5/internal/curve/decred"

// DefaultName names the engine of this build.
const DefaultName = "decred"

// engine is the arithmetic of this build.
type engine = decred.Engine
