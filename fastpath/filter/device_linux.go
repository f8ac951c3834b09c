package filter

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/internal/hostaddr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// device is an interface with the program.
type device struct {
	link    link.Link
	name    string
	generic bool
}

// String returns the name for Info.
func (d *device) String() string {
	if d.generic {
		return d.name + " (generic)"
	}
	return d.name
}

func (d *device) close() { _ = d.link.Close() }

// alive reports whether the program is still on the interface. The kernel takes it away when the
// interface goes.
func (d *device) alive() bool {
	info, err := d.link.Info()
	if err != nil {
		return false
	}
	if x := info.XDP(); x != nil {
		return x.Ifindex != 0
	}
	if x := info.TCX(); x != nil {
		return x.Ifindex != 0
	}
	return true
}

func interfaceName(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return "interface " + strconv.Itoa(index)
}

// attach puts the program of a mode on an interface.
func attach(m Mode, p *ebpf.Program, index int) (*device, error) {
	d := &device{name: interfaceName(index)}
	var err error
	if m == TC {
		d.link, err = link.AttachTCX(link.TCXOptions{Interface: index, Program: p, Attach: ebpf.AttachTCXIngress})
	} else if d.link, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: index, Flags: link.XDPDriverMode}); err != nil && !errors.Is(err, unix.EBUSY) {
		native := err
		if d.link, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: index, Flags: link.XDPGenericMode}); err != nil {
			err = errors.Join(native, err)
		}
		d.generic = true
	}
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%s: another program is on the interface", d.name)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return d, nil
}

// errNoInterface says that there is nothing to attach to.
var errNoInterface = errors.New("no network interface has an address of the node")

// refresh brings the programs of a mode to the interfaces that have addresses of the node now, and
// tells them these addresses.
func (f *Filter) refresh(m Mode) error {
	addrs, err := f.watch.reader.Addrs()
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	locals, indexes := f.locals(addrs)
	if len(f.cfg.Interfaces) > 0 {
		if indexes, err = f.named(); err != nil {
			return err
		}
	}
	if len(indexes) == 0 {
		return errNoInterface
	}
	if err := f.maps.setLocals(locals); err != nil {
		return err
	}
	for i, d := range f.devices {
		if !slices.Contains(indexes, i) || !d.alive() {
			d.close()
			delete(f.devices, i)
		}
	}
	for _, i := range indexes {
		if f.devices[i] != nil || f.steered[i] {
			continue
		}
		d, err := attach(m, f.device, i)
		if err != nil {
			return err
		}
		if d.generic && f.cfg.Mode == Auto {
			d.close()
			return fmt.Errorf("%s: the driver has no XDP", d.name)
		}
		f.devices[i] = d
	}
	return nil
}

// named returns the interfaces of Config.Interfaces.
func (f *Filter) named() (indexes []int, err error) {
	for _, name := range f.cfg.Interfaces {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("interface %q: %w", name, err)
		}
		indexes = append(indexes, i.Index)
	}
	return indexes, nil
}

// locals returns the endpoints of the node and the interfaces that have them, without loopback.
func (f *Filter) locals(addrs []hostaddr.Addr) (locals map[endpoint]bool, indexes []int) {
	locals = make(map[endpoint]bool)
	for _, a := range addrs {
		ip := a.Addr()
		for _, g := range f.target.Groups {
			l := g.Addr()
			if l.Addr() != ip && (!l.Addr().IsUnspecified() || netaddr.FamilyOf(l.Addr()) != netaddr.FamilyOf(ip)) {
				continue
			}
			locals[endpointOf(netip.AddrPortFrom(ip, l.Port()))] = true
			if !ip.IsLoopback() && a.Index > 0 && !slices.Contains(indexes, a.Index) {
				indexes = append(indexes, a.Index)
			}
		}
	}
	return locals, indexes
}

// follow refreshes the present mode, and falls back if that fails. It is called with mu held.
func (f *Filter) follow() {
	if f.closed || f.mode != XDP && f.mode != TC {
		return
	}
	m := f.mode
	err := f.refresh(m)
	if errors.Is(err, errNoInterface) {
		// Addresses come and go. The programs stay where they are until there are others.
		err = nil
	}
	if f.closing.Load() { // the error is of a reader that was closed
		return
	}
	if err != nil {
		f.leave()
		clear(f.steered)
		f.climbed = time.Now()
		f.falls++
		f.reasons = append(f.reasons[:min(len(f.reasons), maxReasons)], fmt.Sprintf("%v: %s", m, explain(err)))
		f.descend(m - 1)
		return
	}
	f.describe()
}

// maxReasons bounds the text of Info.
const maxReasons = 4

const (
	// refreshTime is the time between two looks at the interfaces although nothing is reported.
	refreshTime = 10 * time.Second
	// refreshPause is the least time between two looks.
	refreshPause = 200 * time.Millisecond
)

// watcher follows the interfaces of the network namespace in which Attach was called.
type watcher struct {
	f      *Filter
	reader *hostaddr.Reader
	space  *os.File // the namespace
	ended  chan struct{}
	once   sync.Once
}

// open begins to note changes.
func (w *watcher) open(f *Filter) (err error) {
	w.f = f
	if w.reader, err = hostaddr.Open(); err != nil {
		return fmt.Errorf("follow interfaces: %w", err)
	}
	w.space, _ = os.Open(threadSpace) // without it, the process has one namespace
	return nil
}

const threadSpace = "/proc/thread-self/ns/net"

func (w *watcher) start() {
	if w.reader == nil {
		return
	}
	w.ended = make(chan struct{})
	go w.run()
}

// run looks at the interfaces when something has changed.
func (w *watcher) run() {
	defer close(w.ended)
	w.enterSpace()
	pause := refreshTime
	for {
		err := w.reader.Wait(time.Now().Add(pause))
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			time.Sleep(refreshTime / 10) // a netlink socket that keeps failing
		}
		w.f.mu.Lock()
		w.f.follow()
		w.f.climb(err == nil, time.Now())
		pause = refreshTime
		if w.f.changed {
			pause = climbPause
		}
		w.f.mu.Unlock()
		time.Sleep(refreshPause)
	}
}

// enterSpace takes the goroutine to the namespace of Attach, if its thread is in another one.
// Interfaces are numbered by namespace. The thread ends with the goroutine then.
func (w *watcher) enterSpace() {
	if w.space == nil {
		return
	}
	defer w.space.Close()
	runtime.LockOSThread()
	var here, there unix.Stat_t
	if unix.Stat(threadSpace, &here) == nil && unix.Fstat(int(w.space.Fd()), &there) == nil && here.Ino == there.Ino {
		runtime.UnlockOSThread()
		return
	}
	_ = unix.Setns(int(w.space.Fd()), unix.CLONE_NEWNET)
}

// stop ends the watcher. It may be called more than once.
func (w *watcher) stop() {
	w.once.Do(func() {
		if w.reader != nil {
			w.reader.Close()
		}
		if w.ended != nil {
			<-w.ended
		}
	})
}
