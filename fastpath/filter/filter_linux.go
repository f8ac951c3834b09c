package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/fastdisc/discv5/fastpath"
)

// Filter implements fastpath.SourceFilter. Use New.
type Filter struct {
	cfg     Config
	peers   peers
	closing atomic.Bool

	mu       sync.Mutex // guards what follows
	attached bool       // Attach was called
	closed   bool
	target   fastpath.FilterTarget
	maps     *maps // nil if the system refuses them
	ports    []uint16
	min, max int
	info     fastpath.FilterInfo
	last     fastpath.FilterStats // once maps are closed
	falls    uint64
	reasons  []string
	mode     Mode
	first    Mode      // the best that may be taken
	climbed  time.Time // the last attempt to reach it
	changed  bool      // interfaces have changed since then
	socket   *ebpf.Program
	device   *ebpf.Program // for mode, TC or XDP
	devices  map[int]*device
	steered  map[int]bool // interfaces whose XDP program is the caller's
	watch    watcher
}

// New returns a filter that does nothing before Attach. The error wraps ErrConfig.
func New(cfg Config) (*Filter, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	f := &Filter{cfg: cfg, devices: make(map[int]*device), steered: make(map[int]bool), mode: None}
	f.info.Mode = None.String()
	f.peers.off.Store(true)
	return f, nil
}

// errAttached says that a filter cannot serve two nodes.
var errAttached = errors.New("filter: Attach or Close was called before")

// Attach implements fastpath.SourceFilter.
func (f *Filter) Attach(t fastpath.FilterTarget) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attached || f.closed {
		return errAttached
	}
	f.attached = true
	if f.cfg.Mode == None {
		return nil
	}
	t.Groups = slices.Clone(t.Groups)
	t.Groups = slices.DeleteFunc(t.Groups, func(g *fastpath.Group) bool { return g.Info().Path == fastpath.PathOther })
	if len(t.Groups) == 0 {
		f.reasons = []string{"the node has no UDP socket"}
		f.describe()
		return nil
	}
	f.target = t
	f.min, f.max = t.Groups[0].Sizes()
	for _, g := range t.Groups {
		lo, hi := g.Sizes()
		f.min, f.max = min(f.min, lo), max(f.max, hi)
		if p := g.Addr().Port(); !slices.Contains(f.ports, p) {
			f.ports = append(f.ports, p)
		}
	}
	var err error
	if f.maps, err = newMaps(t.Held); err != nil {
		f.reasons = append(f.reasons, explain(err))
		f.describe()
		return nil
	}
	f.peers.init(f.maps)
	f.peers.off.Store(false)
	first := f.cfg.Mode
	if first == Auto {
		first = XDP
	}
	if first != Socket {
		if err := f.watch.open(f); err != nil {
			f.reasons = append(f.reasons, fmt.Sprintf("%v: %v", first, err))
			first = Socket
		}
	}
	f.first, f.climbed = first, time.Now()
	f.descend(first)
	f.watch.start()
	return nil
}

// explain shortens an error of the kernel for Info.
func explain(err error) string {
	var v *ebpf.VerifierError
	if errors.As(err, &v) { // its text has many lines
		return fmt.Sprintf("the kernel rejects the program: %v", v.Cause)
	}
	text := err.Error()
	if errors.Is(err, ebpf.ErrNotSupported) {
		return "not supported: " + text
	}
	return text
}

// descend takes the first mode from first on that works.
func (f *Filter) descend(first Mode) {
	f.mode = None
	for m := first; m >= Socket; m-- {
		err := f.enter(m)
		if err == nil {
			f.mode = m
			break
		}
		f.leave()
		f.reasons = append(f.reasons, fmt.Sprintf("%v: %s", m, explain(err)))
	}
	f.describe()
}

// enter attaches the programs of a mode.
func (f *Filter) enter(m Mode) (err error) {
	if m == Socket {
		return f.enterSockets()
	}
	h := hookTC
	spec := &ebpf.ProgramSpec{Name: "d5_filter", Type: ebpf.SchedCLS, License: license}
	if m == XDP {
		h, spec.Type = hookXDP, ebpf.XDP
	}
	spec.Instructions = f.builder(h).standalone()
	if f.device, err = ebpf.NewProgram(spec); err != nil {
		return err
	}
	return f.refresh(m)
}

// license of the programs. They call no function that is for GPL programs only.
const license = "Apache-2.0"

func (f *Filter) builder(h hook) *builder {
	return &builder{hook: h, maps: f.maps, ports: f.ports, min: f.min, max: f.max, network: newBucket(f.cfg.PrefixRate), total: newBucket(f.cfg.TotalRate)}
}

func (f *Filter) enterSockets() (err error) {
	f.socket, err = ebpf.NewProgram(&ebpf.ProgramSpec{Name: "d5_filter", Type: ebpf.SocketFilter, License: license, Instructions: f.builder(hookSocket).standalone()})
	if err != nil {
		return err
	}
	for i, g := range f.target.Groups {
		if err := g.AttachFilter(f.socket.FD()); err != nil {
			for _, before := range f.target.Groups[:i] {
				err = errors.Join(err, before.DetachFilter())
			}
			f.socket.Close()
			f.socket = nil
			return err
		}
	}
	return nil
}

// leave detaches all programs.
func (f *Filter) leave() {
	for i, d := range f.devices {
		d.close()
		delete(f.devices, i)
	}
	f.device.Close() // does nothing if it is nil
	f.device = nil
	if f.socket != nil {
		for _, g := range f.target.Groups {
			_ = g.DetachFilter() // the socket may be closed
		}
		f.socket.Close()
		f.socket = nil
	}
}

// describe makes info that of the present state.
func (f *Filter) describe() {
	info := fastpath.FilterInfo{Mode: f.mode.String(), Reason: strings.Join(f.reasons, "; ")}
	for _, d := range f.devices {
		info.Interfaces = append(info.Interfaces, d.String())
	}
	for i := range f.steered {
		info.Interfaces = append(info.Interfaces, interfaceName(i)+" (steered)")
	}
	slices.Sort(info.Interfaces)
	changed := info.Mode != f.info.Mode || info.Reason != f.info.Reason || !slices.Equal(info.Interfaces, f.info.Interfaces)
	f.info = info
	if changed && f.target.Changed != nil {
		f.target.Changed(info)
	}
}

// XDP returns the text of the filter for the XDP program of the caller on an interface, and
// detaches the filter's own program from it, because only one fits. ok is false if the filter is
// not in mode XDP.
//
// The text finds the context in R1, returns where it drops a packet, and otherwise goes to the
// caller's label next with the context in R1 and R6. Other registers and the stack are free then.
// Its labels begin with "filter_". Give the interface back with Detached.
func (f *Filter) XDP(index int) (text func(next string) asm.Instructions, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mode != XDP || f.closed {
		return nil, false
	}
	if d := f.devices[index]; d != nil {
		d.close()
		delete(f.devices, index)
	}
	f.steered[index] = true
	f.describe()
	return f.builder(hookXDP).prefix, true
}

// Detached says that the program that XDP was called for is gone. The filter attaches its own one.
func (f *Filter) Detached(index int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.steered, index)
	f.follow()
}

// Hold implements fastpath.SourceFilter.
func (f *Filter) Hold(from netip.AddrPort) { f.peers.hold(from) }

// Release implements fastpath.SourceFilter.
func (f *Filter) Release(from netip.AddrPort) { f.peers.release(from) }

// Flush implements fastpath.SourceFilter.
func (f *Filter) Flush() { f.peers.flush() }

// Info implements fastpath.SourceFilter.
func (f *Filter) Info() fastpath.FilterInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	info := f.info
	info.Interfaces = slices.Clone(info.Interfaces)
	return info
}

// Stats implements fastpath.SourceFilter.
func (f *Filter) Stats() fastpath.FilterStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats()
}

func (f *Filter) stats() fastpath.FilterStats {
	if f.maps == nil {
		return f.last
	}
	return fastpath.FilterStats{
		PassedHeld: f.maps.count(passedHeld), PassedHandshake: f.maps.count(passedHandshake), PassedNew: f.maps.count(passedNew),
		DroppedPrefix: f.maps.count(droppedPrefix), DroppedTotal: f.maps.count(droppedTotal),
		DroppedSize: f.maps.count(droppedSize), DroppedSource: f.maps.count(droppedSource),
		Held: uint64(f.peers.size()), Missed: f.peers.missed.Load(), Fallbacks: f.falls,
	}
}

// Close implements fastpath.SourceFilter.
func (f *Filter) Close() error {
	f.closing.Store(true)
	f.watch.stop()
	f.peers.off.Store(true)
	f.peers.flushMu.Lock() // no Flush is under way
	defer f.peers.flushMu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.maps == nil {
		f.closed = true
		return nil
	}
	f.closed = true
	f.leave()
	f.last = f.stats()
	f.last.Held = 0
	f.maps.close()
	f.maps, f.mode = nil, None
	f.peers.queued.Store(0)
	return nil
}
