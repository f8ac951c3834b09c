//go:build !linux

package fastpath

// reusePortSpreads is false: the BSDs and Windows let sockets share an address,
// but give all datagrams to one of them.
const reusePortSpreads = false

// The fast path does not exist here.
type (
	mmsgRx struct{}
	mmsgTx struct{}
)

func batchReason(*socket, *Config) string { return "recvmmsg is for Linux" }

func segmentsReason(*socket, *Config, string) string { return "UDP_SEGMENT is for Linux" }

func mergeReason(*socket, *Config, string) string { return "UDP_GRO is for Linux" }

func newConn(s *socket, _ string) Conn { return newPortableConn(s) }

func enableReusePort(*socket) error { return nil }

// setOptions has nothing to set before binding.
func setOptions(_ uintptr, _ *Config, _ bool, o *sockOptions) error {
	o.filter = "socket filters are for Linux"
	o.dropSource = "none"
	return nil
}

// setBuffers asks for the buffer sizes. Less than asked is not an error.
func setBuffers(s *socket, cfg *Config) {
	if cfg.RecvBuffer > 0 {
		_ = s.udp.SetReadBuffer(cfg.RecvBuffer)
	}
	if cfg.SendBuffer > 0 {
		_ = s.udp.SetWriteBuffer(cfg.SendBuffer)
	}
	_ = s.raw.Control(func(fd uintptr) { s.opts.recvGot, s.opts.sendGot = bufferSizes(fd) })
}

// poll does nothing: the system has no counter of drops per socket.
func (*dropCounter) poll(*socket) {}
