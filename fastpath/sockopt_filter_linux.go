package fastpath

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// AttachFilter has a program (BPF_PROG_TYPE_SOCKET_FILTER) decide which datagrams reach the sockets
// of the group, instead of the one that checks sizes: prog is its file descriptor. It should check
// the sizes too, see Sizes. On error the sockets have the filter that they had before.
func (g *Group) AttachFilter(prog int) error {
	if len(g.socks) == 0 {
		return errors.ErrUnsupported
	}
	for i, s := range g.socks {
		var err error
		cerr := s.raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_BPF, prog)
		})
		if err = errors.Join(cerr, err); err != nil {
			return errors.Join(fmt.Errorf("fastpath: attach filter to socket %d of %v: %w", i+1, g.addr, err), g.DetachFilter())
		}
	}
	return nil
}

// DetachFilter takes AttachFilter back.
func (g *Group) DetachFilter() error {
	var errs []error
	for _, s := range g.socks {
		largest := s.max
		if s.opts.gro == "" {
			largest = MaxDatagram // the filter sees GRO batches
		}
		var err error
		cerr := s.raw.Control(func(fd uintptr) {
			if s.opts.filter == "" && attachFilter(fd, s.min, largest) == nil {
				return
			}
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
			if err == unix.ENOENT { // there was none
				err = nil
			}
		})
		errs = append(errs, cerr, err)
	}
	return errJoin(errs)
}
