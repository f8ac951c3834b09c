//go:build !decred

package curve

import "github.com/fastdisc/discv5/internal/curve/k256"

// DefaultName is the name of this build's implementation.
const DefaultName = "k256"

// engine is the arithmetic of this build.
type engine = k256.Engine
