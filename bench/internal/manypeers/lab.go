package manypeers

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrRoot is wrapped by the error of Open without the rights to make network namespaces.
var ErrRoot = errors.New("root is needed: for network namespaces, veth pairs and XDP programs")

// port is that of every server, and peerPort that of all peers, which have different addresses.
const (
	port     = 9000
	peerPort = 30303
)

// MaxPeers is how many peers there can be.
const MaxPeers = 1 << 16

// thread runs functions in a network namespace of its own.
type thread struct {
	tid int
	run chan func()
}

func newThread() (*thread, error) {
	t := &thread{run: make(chan func())}
	ready := make(chan error)
	go func() {
		// Never unlocked: the thread, and its namespace, end with the goroutine.
		runtime.LockOSThread()
		t.tid = unix.Gettid()
		ready <- unix.Unshare(unix.CLONE_NEWNET)
		for f := range t.run {
			f()
		}
	}()
	if err := <-ready; err != nil {
		close(t.run)
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	return t, nil
}

// do runs f on the thread. Sockets that it opens, and processes that it starts, are in the
// namespace.
func (t *thread) do(f func() error) (err error) {
	done := make(chan struct{})
	t.run <- func() {
		defer close(done)
		err = f()
	}
	<-done
	return err
}

func (t *thread) ip(args ...string) error {
	return t.do(func() error {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
		return nil
	})
}

// all runs several ip commands.
func (t *thread) all(commands ...[]string) error {
	for _, c := range commands {
		if err := t.ip(c...); err != nil {
			return err
		}
	}
	return nil
}

// Lab is the namespace of the generator, and the links to the servers.
type Lab struct {
	client   *thread
	links    []*Link
	magazine *magazine
}

// Open makes the namespace of the generator. The generator runs on the given CPU.
func Open(cpu int) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, ErrRoot
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, fmt.Errorf("the program ip of iproute2 is needed: %w", err)
	}
	client, err := newThread()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	l := &Lab{client: client}
	l.magazine, err = newMagazine()
	err = errors.Join(
		err,
		client.do(func() error {
			var set unix.CPUSet
			set.Set(cpu)
			return unix.SchedSetaffinity(0, &set)
		}),
		client.all(
			[]string{"link", "set", "lo", "up"},
			// All peers have addresses of this prefix.
			[]string{"route", "add", "local", "10.9.0.0/16", "dev", "lo"},
			[]string{"link", "add", parking, "type", "veth", "peer", "name", parking + "peer"},
		))
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("namespace of the generator: %w", err)
	}
	return l, nil
}

// parking is an interface that the generator's program is attached to while it runs. The kernel
// keeps an attached program in its dispatcher, and otherwise waits in each BPF_PROG_RUN.
const parking = "parking"

// Close removes all namespaces. Close the servers first.
func (l *Lab) Close() {
	for _, k := range l.links {
		close(k.server.run)
	}
	close(l.client.run)
	if l.magazine != nil {
		l.magazine.close()
	}
}

// Link is the veth pair of one server.
type Link struct {
	// Addr is where the server has to listen, and Interface its end.
	Addr      netip.AddrPort
	Interface string

	lab    *Lab
	server *thread
	mac    net.HardwareAddr // of the server's end
	end    *net.Interface   // the generator's end
	// returns says that XDP returns the datagrams: then a program of the same kind must count them,
	// because veth delivers what XDP sends only to an end with a program.
	returns bool
}

// Link makes the namespace and the veth pair of another server.
func (l *Lab) Link() (*Link, error) {
	n := len(l.links) + 1
	server, err := newThread()
	if err != nil {
		return nil, fmt.Errorf("namespace of the server: %w", err)
	}
	k := &Link{
		Addr:      netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 8, byte(n), 2}), port),
		Interface: fmt.Sprintf("server%d", n), lab: l, server: server,
	}
	l.links = append(l.links, k)
	if err := k.make(n); err != nil {
		return nil, fmt.Errorf("veth pair %d: %w", n, err)
	}
	return k, nil
}

func (k *Link) make(n int) error {
	name, gateway := fmt.Sprintf("peers%d", n), fmt.Sprintf("10.8.%d.1", n)
	client := k.lab.client
	if err := client.all(
		[]string{"link", "add", name, "numrxqueues", "1", "numtxqueues", "1", "type", "veth",
			"peer", "name", k.Interface, "numrxqueues", "1", "numtxqueues", "1", "netns", fmt.Sprint(k.server.tid)},
		[]string{"addr", "add", gateway + "/24", "dev", name},
		[]string{"link", "set", name, "up"},
	); err != nil {
		return err
	}
	if err := k.server.all(
		[]string{"link", "set", "lo", "up"},
		[]string{"addr", "add", k.Addr.Addr().String() + "/24", "dev", k.Interface},
		[]string{"link", "set", k.Interface, "up"},
	); err != nil {
		return err
	}
	if err := k.server.do(func() error {
		end, err := net.InterfaceByName(k.Interface)
		if err != nil {
			return err
		}
		k.mac = end.HardwareAddr
		return prepareEnd(k.Interface)
	}); err != nil {
		return err
	}
	if err := client.do(func() (err error) {
		k.end, err = net.InterfaceByName(name)
		return err
	}); err != nil {
		return err
	}
	// Neighbor entries that never expire, and a default route for the peers.
	if err := client.ip("neigh", "replace", k.Addr.Addr().String(), "lladdr", k.mac.String(), "dev", name, "nud", "permanent"); err != nil {
		return err
	}
	return k.server.all(
		[]string{"neigh", "replace", gateway, "lladdr", k.end.HardwareAddr.String(), "dev", k.Interface, "nud", "permanent"},
		[]string{"route", "add", "default", "via", gateway},
	)
}

// Run runs f in the namespace of the server: processes that it starts are there.
func (k *Link) Run(f func() error) error { return k.server.do(f) }

// Commands of SIOCETHTOOL.
const (
	setGSO = 0x24
	setGRO = 0x2c
)

// prepareEnd makes the server's end of a veth pair accept XDP frames though no XDP program is
// attached: generic receive offload does that. And it leaves no GSO batch to the other end, which
// nobody would charge for segmenting it.
func prepareEnd(name string) error {
	return errors.Join(feature(name, setGRO, 1), feature(name, setGSO, 0))
}

// feature turns a feature of an interface on or off.
func feature(name string, command, on uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := struct{ command, data uint32 }{command, on}
	var request struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	request.data = unsafe.Pointer(&value)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("set feature %#x of %s: %w", command, name, errno)
	}
	return nil
}
