package engine

import "net/netip"

// Via names the local address that a datagram arrived at, or that one leaves from. The engine hands
// it back to its Outbox and to Config.LocalAddr and gives it no meaning. The zero value leaves the
// choice to the outbox.
type Via uint16

// LocalAddr returns the local IP address that v names. It is invalid if v is zero, or if the
// address is not known, as with sockets that cannot tell.
func (e *Engine) LocalAddr(v Via) netip.Addr {
	if v == 0 || e.cfg.LocalAddr == nil {
		return netip.Addr{}
	}
	return e.cfg.LocalAddr(v)
}

// LocalAddr returns the local IP address at which the datagram that is being served arrived. It is
// invalid if that is not known, and for work that no datagram has caused.
func (w *Worker) LocalAddr() netip.Addr { return w.e.LocalAddr(w.via) }
