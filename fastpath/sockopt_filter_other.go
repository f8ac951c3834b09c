//go:build !linux

package fastpath

import "errors"

// AttachFilter has a program decide which datagrams reach the sockets. It works on Linux only.
func (g *Group) AttachFilter(int) error { return errors.ErrUnsupported }

// DetachFilter takes AttachFilter back.
func (g *Group) DetachFilter() error { return nil }
