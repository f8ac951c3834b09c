package xdp

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/fastdisc/discv5/internal/ranges"
)

// Bypassed names the parts of the system that do not see redirected datagrams, for a log and for
// documents.
const Bypassed = "firewall (INPUT and OUTPUT), connection tracking, packet capture (tcpdump), rp_filter, IPsec policies, traffic control"

// Errors of Accelerate. Lack of rights, and whatever may change while the node runs, is not an
// error: the sockets of the system serve the node then.
var (
	// ErrInterface: there is no such network interface, or it is of a kind that the package does
	// not support.
	ErrInterface = errors.New("xdp: unusable network interface")
	// ErrOptions: Options.Frames is out of range or not a power of two. The error for the range is
	// a *fastpath.RangeError.
	ErrOptions = errors.New("xdp: invalid options")
	// ErrUnsupported: the operating system has no AF_XDP.
	ErrUnsupported = errors.New("xdp: AF_XDP needs Linux")
)

// Mode is how packets get from the interface into the memory of the node.
type Mode int

// Modes, from the slowest to the fastest.
const (
	// Generic works with every driver: the program sees packets of the network stack.
	Generic Mode = 1 + iota
	// NativeCopy runs the program in the driver, and copies each packet.
	NativeCopy
	// NativeZeroCopy lets the network card read and write the memory of the node.
	NativeZeroCopy
)

// String returns the name of the mode in logs and metrics.
func (m Mode) String() string {
	switch m {
	case Generic:
		return "generic"
	case NativeCopy:
		return "native copy"
	case NativeZeroCopy:
		return "native zero-copy"
	}
	return "none"
}

// Interface names a network interface, and the fastest mode to try.
type Interface struct {
	Name string
	Best Mode // 0 stands for NativeZeroCopy
}

// ParseInterface reads an Interface: its name, or name and mode, such as "eth0=generic". Modes are
// auto, native (without zero-copy) and generic.
func ParseInterface(s string) (Interface, error) {
	name, mode, given := strings.Cut(s, "=")
	i := Interface{Name: name, Best: NativeZeroCopy}
	if name == "" || len(name) > maxName || strings.ContainsAny(name, "/ \t\n") {
		return i, fmt.Errorf("%q is no name of a network interface", name)
	}
	switch {
	case !given || mode == "auto":
	case mode == "native":
		i.Best = NativeCopy
	case mode == "generic":
		i.Best = Generic
	default:
		return i, fmt.Errorf("mode %q is not auto, native or generic", mode)
	}
	return i, nil
}

// maxName is the largest length of the name of an interface.
const maxName = 15

// minFrames and maxFrames bound Options.Frames.
const (
	minFrames = 64
	maxFrames = 32768
)

// DefaultFrames is the number of frames of each queue for either direction, of 2 KiB each.
const DefaultFrames = 2048

// Options are for Accelerate. Interfaces must name at least one.
type Options struct {
	Interfaces []Interface

	// Frames is the number of frames of each queue to receive into, and as many are for sending: a
	// power of two, from 64 to 32768. Default: DefaultFrames. It is halved as often as
	// RLIMIT_MEMLOCK requires.
	Frames int

	// Logger, if not nil, is told when an interface changes its mode after the start, and why.
	Logger *slog.Logger

	// Filter, if not nil, runs in front of the steering program.
	Filter Filter
}

// check fills in the defaults.
func (o Options) check() (Options, error) {
	if len(o.Interfaces) == 0 {
		return o, fmt.Errorf("%w: none named", ErrInterface)
	}
	seen := make(map[string]bool)
	for _, i := range o.Interfaces {
		if seen[i.Name] {
			return o, fmt.Errorf("%w: %s is listed twice", ErrInterface, i.Name)
		}
		seen[i.Name] = true
	}
	if o.Frames == 0 {
		o.Frames = DefaultFrames
	}
	if err := ranges.Check(ErrOptions, "Frames", o.Frames, minFrames, maxFrames, ranges.Default); err != nil {
		return o, err
	}
	if o.Frames&(o.Frames-1) != 0 {
		return o, fmt.Errorf("%w: Frames is %d, which is no power of two", ErrOptions, o.Frames)
	}
	return o, nil
}
