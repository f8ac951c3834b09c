package curve

import (
	"github.com/fastdisc/discv5/internal/curve/decred"
	"github.com/fastdisc/discv5/internal/curve/k256"
)

// native and reference return the two implementations. A program links one of them.
func native() Curve    { return k256.Engine{} }
func reference() Curve { return decred.Engine{} }

// signer is implemented in addition to Curve.
type signer interface {
	SignRecoverable(priv, digest *[32]byte) ([RecoverableSize]byte, error)
}
