package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/hostaddr"
)

const (
	maxQueues    = 256
	maxEndpoints = 4096 // addresses of the interface, for each listen address
)

// device is one interface: its program, and the Conns of its queues.
type device struct {
	Interface
	options Options
	groups  []group
	conns   []*conn
	addrs   *hostaddr.Reader

	host      atomic.Pointer[host]
	paths     atomic.Pointer[provenPaths]
	endpoints map[endpointKey]bool // in the map of the program
	index     int                  // of the interface
	table     *pathTable

	maps     steering
	program  *ebpf.Program // nil while the sockets of the system serve
	link     link.Link     // nil while the sockets of the system serve
	filtered bool          // the program has the instructions of the filter

	failures  int       // attempts to attach in a row that failed
	retryAt   time.Time // the next attempt
	stop      chan struct{}
	stopped   sync.WaitGroup
	closeOnce sync.Once

	mu    sync.Mutex // guards state
	state fastpath.Acceleration
}

// newDevice opens an interface. The error is that of a setting. If the program or the sockets
// cannot be used, the device waits, and state says why.
func newDevice(i Interface, o Options, of []*fastpath.Group) (*device, error) {
	if i.Best == 0 {
		i.Best = NativeZeroCopy
	}
	addrs, err := hostaddr.Open()
	if err != nil {
		// Not wrapped: callers take "address family not supported" for a lack of IPv6.
		return nil, errors.New("xdp: read the network interfaces: " + err.Error())
	}
	d := &device{Interface: i, options: o, addrs: addrs, endpoints: make(map[endpointKey]bool), table: newPathTable(), stop: make(chan struct{})}
	d.state.Interface = i.Name
	l, err := addrs.Link(i.Name)
	if err == nil {
		err = usableLink(i.Name, l)
	}
	if err != nil {
		addrs.Close()
		if errors.Is(err, hostaddr.ErrNoLink) {
			err = fmt.Errorf("%w: there is no %s", ErrInterface, i.Name)
		}
		return nil, err
	}
	for _, g := range of {
		d.groups = append(d.groups, newGroup(g))
	}
	d.paths.Store(&provenPaths{})
	d.host.Store(newHost(l, nil))
	for queue := range min(maxQueues, receiveQueues(i.Name, l)) {
		d.conns = append(d.conns, newConn(queue, d.groups, of, &d.host, &d.paths))
	}
	d.check(time.Now())
	d.mu.Lock()
	d.state.Changes = 0
	d.mu.Unlock()
	d.stopped.Add(1)
	go d.run()
	return d, nil
}

// makeMaps makes the maps of the program, once.
func (d *device) makeMaps() (err error) {
	if d.maps.sockets != nil {
		return nil
	}
	_ = rlimit.RemoveMemlock() // for Linux before 5.11; without the right to, loading tells
	m := steering{smallest: fastpath.MaxDatagram}
	for i := range d.groups {
		g := &d.groups[i]
		m.ports = append(m.ports, g.addr.Port())
		m.smallest, m.largest = min(m.smallest, g.smallest), max(m.largest, g.largest)
	}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if m.sockets, err = ebpf.NewMap(&ebpf.MapSpec{Name: "discv5_queues", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: uint32(len(d.conns))}); err != nil {
		return fmt.Errorf("make a map: %w", err)
	}
	if m.endpoints, err = ebpf.NewMap(&ebpf.MapSpec{Name: "discv5_local", Type: ebpf.Hash, KeySize: uint32(len(endpointKey{})), ValueSize: 4, MaxEntries: maxEndpoints}); err != nil {
		return fmt.Errorf("make a map: %w", err)
	}
	d.maps = m
	return nil
}

// load makes the program for an interface, behind the filter if there is one.
func (d *device) load(index int) (err error) {
	if err := d.makeMaps(); err != nil {
		return err
	}
	d.maps.filter = nil
	if d.options.Filter != nil {
		d.maps.filter, d.filtered = d.options.Filter.XDP(index)
	}
	d.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{Name: "discv5_steer", Type: ebpf.XDP, License: "Apache-2.0", Instructions: d.maps.program()})
	if err != nil {
		return fmt.Errorf("load the program: %w", err)
	}
	return nil
}

func (s *steering) close() {
	if s.sockets != nil {
		s.sockets.Close()
	}
	if s.endpoints != nil {
		s.endpoints.Close()
	}
}

// attach puts the program on the interface, and opens the sockets, in the fastest mode that works.
// After an error the caller detaches.
func (d *device) attach(index int) (mode Mode, why string, err error) {
	if err := d.load(index); err != nil {
		return 0, "", err
	}
	d.follow() // the map of endpoints may be new
	var reasons []string
	failed := func(m Mode, err error) { reasons = append(reasons, m.String()+": "+cause(err)) }
	for m := d.Best; m >= Generic; m-- {
		if d.link == nil {
			flags := link.XDPDriverMode
			if m == Generic {
				flags = link.XDPGenericMode
			}
			l, err := link.AttachXDP(link.XDPOptions{Program: d.program, Interface: index, Flags: flags})
			if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST) {
				return 0, "", fmt.Errorf("another XDP program is on the interface: %w", err)
			}
			if err != nil {
				failed(m, err)
				if m == NativeZeroCopy {
					m = NativeCopy // it has the same driver
				}
				continue
			}
			d.link = l
		}
		err := d.openSockets(index, m)
		if errors.Is(err, unix.EBUSY) {
			// A slower mode would have the same queue. It may be our former socket, which the
			// kernel has not released yet.
			return 0, "", fmt.Errorf("another AF_XDP socket has the queue: %w", err)
		}
		if err != nil {
			failed(m, err)
			d.closeSockets()
			if m == NativeCopy {
				d.unlink()
			}
			continue
		}
		return m, strings.Join(reasons, "; "), nil
	}
	return 0, "", errors.New(strings.Join(reasons, "; "))
}

// openSockets opens the sockets of all queues.
func (d *device) openSockets(index int, m Mode) error {
	for _, c := range d.conns {
		if err := d.openSocket(c, index, m); err != nil {
			return err
		}
	}
	return nil
}

func (d *device) openSocket(c *conn, index int, m Mode) error {
	s, err := openSocket(index, c.queue, d.options.Frames, m == NativeZeroCopy)
	if err != nil {
		return err
	}
	if err := d.maps.sockets.Put(uint32(c.queue), uint32(s.fd)); err != nil {
		s.close()
		return fmt.Errorf("add queue %d to the map: %w", c.queue, err)
	}
	c.use(s)
	return nil
}

func (d *device) closeSockets() {
	for _, c := range d.conns {
		d.closeSocket(c)
	}
}

// closeSocket closes the socket of a queue, if there is one. First the program stops to redirect.
func (d *device) closeSocket(c *conn) {
	if d.maps.sockets != nil {
		_ = d.maps.sockets.Delete(uint32(c.queue)) // it fails for a queue that has none
	}
	c.drop()
}

// unlink takes the program from the interface.
func (d *device) unlink() {
	if d.link != nil {
		d.link.Close()
		d.link = nil
	}
}

// detach leaves everything to the sockets of the system.
func (d *device) detach() {
	d.closeSockets()
	d.unlink()
	if d.program != nil {
		d.program.Close()
		d.program = nil
	}
	if d.filtered {
		d.filtered = false
		d.options.Filter.Detached(d.index)
	}
}

// follow brings the map of endpoints in line with the addresses of the interface.
func (d *device) follow() {
	if d.maps.endpoints == nil {
		return
	}
	want := make(map[endpointKey]bool)
	for a := range d.host.Load().own {
		for i := range d.groups {
			if to := netip.AddrPortFrom(a, d.groups[i].addr.Port()); d.groups[i].accepts(to) {
				want[newEndpointKey(to)] = true
			}
		}
	}
	for k := range d.endpoints {
		if !want[k] {
			_ = d.maps.endpoints.Delete(k) // it is there
			delete(d.endpoints, k)
		}
	}
	for k := range want {
		// The kernel's sockets serve an address beyond maxEndpoints.
		if !d.endpoints[k] && d.maps.endpoints.Put(k, uint32(1)) == nil {
			d.endpoints[k] = true
		}
	}
}

// acceleration returns the state.
func (d *device) acceleration() fastpath.Acceleration {
	d.mu.Lock()
	s := d.state
	d.mu.Unlock()
	for _, c := range d.conns {
		s.Fallbacks += c.count.fallbacks.Load()
	}
	return s
}

// close ends the supervisor and detaches.
func (d *device) close() {
	d.closeOnce.Do(func() {
		close(d.stop)
		for _, c := range d.conns {
			c.Close()
		}
		d.addrs.Close()
		d.stopped.Wait()
		d.detach()
		d.maps.close()
	})
}

// cause returns the end of an error, for a line that an operator reads.
func cause(err error) string {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	switch errno {
	case unix.EPERM, unix.EACCES:
		return errno.Error() + " (needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF)"
	}
	return errno.Error()
}
