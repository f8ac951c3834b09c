//go:build !linux

package xdp

import "github.com/fastdisc/discv5/fastpath"

// Filter runs in front of the steering program. There is none on this system.
type Filter any

// Accelerate returns a function for discv5.Config.Accelerate. It fails with ErrUnsupported on this
// system.
func Accelerate(o Options) func([]*fastpath.Group) (fastpath.Accelerator, error) {
	return func([]*fastpath.Group) (fastpath.Accelerator, error) {
		if _, err := o.check(); err != nil {
			return nil, err
		}
		return nil, ErrUnsupported
	}
}
