package manypeers

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/internal/netspace"
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

// Lab is the namespace of the generator, and the links to the servers.
type Lab struct {
	client   *netspace.Space
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
	client, err := netspace.New()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	l := &Lab{client: client}
	l.magazine, err = newMagazine()
	err = errors.Join(
		err,
		client.Do(func() error {
			var set unix.CPUSet
			set.Set(cpu)
			return unix.SchedSetaffinity(0, &set)
		}),
		client.IP(
			"link set lo up",
			// All peers have addresses of this prefix.
			"route add local 10.9.0.0/16 dev lo",
			"link add "+parking+" type veth peer name "+parking+"peer",
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
		k.server.Close()
	}
	l.client.Close()
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
	server *netspace.Space
	mac    net.HardwareAddr // of the server's end
	end    *net.Interface   // the generator's end
	// returns says that XDP returns the datagrams: then a program of the same kind must count them,
	// because veth delivers what XDP sends only to an end with a program.
	returns bool
}

// Link makes the namespace and the veth pair of another server.
func (l *Lab) Link() (*Link, error) {
	n := len(l.links) + 1
	server, err := netspace.New()
	if err != nil {
		return nil, err
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
	if err := client.IP(
		fmt.Sprintf("link add %s numrxqueues 1 numtxqueues 1 type veth peer name %s numrxqueues 1 numtxqueues 1 netns %d", name, k.Interface, k.server.TID()),
		fmt.Sprintf("addr add %s/24 dev %s", gateway, name),
		"link set "+name+" up",
	); err != nil {
		return err
	}
	if err := k.server.IP(
		"link set lo up",
		fmt.Sprintf("addr add %s/24 dev %s", k.Addr.Addr(), k.Interface),
		"link set "+k.Interface+" up",
	); err != nil {
		return err
	}
	if err := k.server.Do(func() error {
		end, err := net.InterfaceByName(k.Interface)
		if err != nil {
			return err
		}
		k.mac = end.HardwareAddr
		return prepareEnd(k.Interface)
	}); err != nil {
		return err
	}
	if err := client.Do(func() (err error) {
		k.end, err = net.InterfaceByName(name)
		return err
	}); err != nil {
		return err
	}
	// Neighbor entries that never expire, and a default route for the peers.
	if err := client.IP(fmt.Sprintf("neigh replace %s lladdr %s dev %s nud permanent", k.Addr.Addr(), k.mac, name)); err != nil {
		return err
	}
	return k.server.IP(
		fmt.Sprintf("neigh replace %s lladdr %s dev %s nud permanent", gateway, k.end.HardwareAddr, k.Interface),
		"route add default via "+gateway,
	)
}

// Run runs f in the namespace of the server: processes that it starts are there.
func (k *Link) Run(f func() error) error { return k.server.Do(f) }

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
