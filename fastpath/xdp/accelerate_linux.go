package xdp

import (
	"errors"
	"fmt"

	"github.com/fastdisc/discv5/fastpath"
)

// accelerator implements fastpath.Accelerator.
type accelerator struct {
	devices []*device
	conns   []fastpath.SharedConn
}

// Accelerate returns a function for discv5.Config.Accelerate. Its errors wrap ErrInterface, or are
// about the other Options. It needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF: without them, the
// sockets of the system serve the node, and its Accelerations say so.
func Accelerate(o Options) func([]*fastpath.Group) (fastpath.Accelerator, error) {
	return func(groups []*fastpath.Group) (fastpath.Accelerator, error) {
		o, err := o.check()
		if err != nil {
			return nil, err
		}
		if len(groups) == 0 || len(groups) > 16 {
			return nil, fmt.Errorf("xdp: %d listen addresses, want 1 to 16", len(groups))
		}
		a := &accelerator{}
		for _, i := range o.Interfaces {
			d, err := newDevice(i, o, groups)
			if err != nil {
				return nil, errors.Join(err, a.Close())
			}
			a.devices = append(a.devices, d)
			for _, c := range d.conns {
				a.conns = append(a.conns, c)
			}
		}
		return a, nil
	}
}

// Conns implements fastpath.Accelerator.
func (a *accelerator) Conns() []fastpath.SharedConn { return a.conns }

// Accelerations implements fastpath.Accelerator.
func (a *accelerator) Accelerations() []fastpath.Acceleration {
	var list []fastpath.Acceleration
	for _, d := range a.devices {
		list = append(list, d.acceleration())
	}
	return list
}

// Close implements fastpath.Accelerator.
func (a *accelerator) Close() error {
	for _, d := range a.devices {
		d.close()
	}
	return nil
}
