package fastpath

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/ranges"
)

const (
	// DefaultBatch is the number of datagrams per system call when Config.Batch
	// is zero. Between 32 and 64 the gain over single calls levels off.
	DefaultBatch = 64

	// MaxBatch is the largest number of datagrams per system call. The kernel
	// itself caps a call at 1024 (UIO_MAXIOV).
	MaxBatch = 1024

	// MaxSegments is the largest number of datagrams in a GSO batch. The kernel takes 64, and 128
	// since Linux 6.9, but counts the UDP header against the bytes of the whole, so that the last
	// one may not fit.
	MaxSegments = 63

	// MaxSockets bounds the sockets of one group.
	MaxSockets = 256

	// BusyRecvBuffer is the receive buffer, in bytes, of a socket with much
	// traffic. The system may grant less.
	BusyRecvBuffer = 4 << 20

	// BusySendBuffer is the send buffer of such a socket.
	BusySendBuffer = 1 << 20

	// MaxBuffer is the largest socket buffer to ask for, in bytes.
	MaxBuffer = math.MaxInt32

	// MaxDatagram is the largest payload that UDP can carry: 65535 bytes less
	// the 8 of the UDP header. Over IPv4 it is 20 bytes less.
	MaxDatagram = 65527
)

// ErrClosed is the error of calls on a closed Conn. It is net.ErrClosed.
var ErrClosed = net.ErrClosed

// RangeError says which number of a configuration is out of range, what it is, and what the range
// is. It wraps ErrConfig.
type RangeError = ranges.Error

// ErrConfig is wrapped by every error about an unusable Config.
var ErrConfig = errors.New("fastpath: invalid configuration")

// Config says what Listen opens. The zero value of every field but Addr is
// usable.
type Config struct {
	// Addr is the local address. Port 0 lets the kernel choose one, the same
	// for all sockets. An IPv6 address, also the wildcard, receives IPv6 only.
	// A 4-in-6 address is taken as the IPv4 address inside it.
	Addr netip.AddrPort

	// Sockets is the number of sockets on Addr, 1 to MaxSockets; 0 means 1.
	// More than one needs a kernel that spreads datagrams over SO_REUSEPORT
	// sockets (Linux); elsewhere one is opened, and Info says so.
	Sockets int

	// Batch is the largest number of datagrams per system call, 1 to MaxBatch;
	// 0 means DefaultBatch. A GSO batch counts once.
	Batch int

	// MaxSize and MinSize are the payload sizes in bytes that are accepted, both inclusive. A
	// MaxSize of 0 means MaxDatagram. The kernel drops other datagrams where a socket filter can be
	// attached; otherwise the Conn drops and counts them. With GRO, the Conn drops the larger ones.
	MaxSize, MinSize int

	// RecvBuffer and SendBuffer are the socket buffer sizes in bytes to ask
	// for; 0 leaves the default of the system. Less than asked is not an error:
	// Info has both.
	RecvBuffer, SendBuffer int

	// Portable selects the portable path.
	Portable bool

	// DisableGSO turns off UDP GSO and GRO: each datagram passes the kernel separately, sent and
	// received. Some combinations of kernel and network card corrupt GSO batches.
	DisableGSO bool

	// DisableGRO turns off UDP GRO alone.
	DisableGRO bool

	// DisableFilter attaches no socket filter.
	DisableFilter bool
}

// withDefaults returns cfg with defaults filled in, or an error that wraps
// ErrConfig.
func (cfg Config) withDefaults() (Config, error) {
	if !cfg.Addr.IsValid() {
		return cfg, fmt.Errorf("%w: no address", ErrConfig)
	}
	cfg.Addr = netaddr.UnmapPort(cfg.Addr)
	if cfg.MaxSize == 0 {
		cfg.MaxSize = MaxDatagram
	}
	if err := ranges.First(
		ranges.Check(ErrConfig, "Sockets", cfg.Sockets, 1, MaxSockets, ranges.Default),
		ranges.Check(ErrConfig, "Batch", cfg.Batch, 1, MaxBatch, ranges.Default),
		ranges.Check(ErrConfig, "MaxSize", cfg.MaxSize, 1, MaxDatagram, ranges.Default),
		ranges.Check(ErrConfig, "MinSize", cfg.MinSize, 0, cfg.MaxSize, ""),
		ranges.Check(ErrConfig, "RecvBuffer", cfg.RecvBuffer, 1, MaxBuffer, ranges.Default),
		ranges.Check(ErrConfig, "SendBuffer", cfg.SendBuffer, 1, MaxBuffer, ranges.Default),
	); err != nil {
		return cfg, err
	}
	if cfg.Sockets == 0 {
		cfg.Sockets = 1
	}
	if cfg.Batch == 0 {
		cfg.Batch = DefaultBatch
	}
	return cfg, nil
}

// network names the address family for the net package. "udp6" also sets
// IPV6_V6ONLY, and "udp4" makes the IPv4 wildcard an AF_INET socket.
func (cfg *Config) network() string {
	if cfg.Addr.Addr().Is4() {
		return "udp4"
	}
	return "udp6"
}
