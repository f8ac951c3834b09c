package chaos

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// answer has the fabric answer packets to an address, which no host has, with c.
func (f *fabric) answer(addr string, c complaint) {
	f.set(func() { f.complaints[netip.MustParseAddr(addr)] = c })
}

// absent makes a record of a node that is not there.
func absent(t *testing.T, addr string) *enr.Record {
	t.Helper()
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr(addr)
	b := enr.NewBuilder().SetIP(a)
	if a.Is4() {
		b.SetUDP(udpPort)
	} else {
		b.SetUDP6(udpPort)
	}
	r, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var complaints = []complaint{noRoute, hostDown, noProtocol, noPort, prohibited, timeExceeded, tooBig}

// IP_RECVERR and IPV6_RECVERR of linux/in.h and linux/in6.h.
const (
	recvErr4 = 11
	recvErr6 = 25
)

// wantErrors has the kernel report ICMP on a socket: an application may have set that before it
// hands the socket over.
func wantErrors(t *testing.T, conns []net.PacketConn) {
	t.Helper()
	for _, c := range conns {
		raw, err := c.(*net.UDPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if cerr := raw.Control(func(fd uintptr) {
			if c.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
				err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, recvErr4, 1)
			} else {
				err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, recvErr6, 1)
			}
		}); cerr != nil || err != nil {
			t.Fatal(cerr, err)
		}
	}
}

// S21: whatever routers and hosts complain about by ICMP, only the call that it is about fails. The
// socket continues, and everybody else is served, also if the application has asked the kernel to
// report such errors on the socket.
func TestS21Unreachable(t *testing.T) {
	heavy(t)
	for _, f := range []family{ipv4, ipv6} {
		for _, reported := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/reported=%v", f.name, reported), func(t *testing.T) {
				t.Parallel()
				fab := newFabric(t)
				h := fab.host(t, f.addr(1)...)
				x := h.node(t, func(c *discv5.Config) {
					if reported {
						wantErrors(t, c.PacketConns)
						// what is reported waits there until somebody asks for it
						c.RecvBuffer = 32 << 10
					}
				})
				peer := fab.host(t, f.addr(2)...).node(t, nil)
				x.answers(t, peer.contact(), "handshake")

				var missing []discv5.Contact
				for i := range 140 {
					addr := f.addr(100 + i)[0]
					fab.answer(addr, complaints[i%len(complaints)])
					missing = append(missing, discv5.ContactOf(absent(t, addr)))
				}
				// And a host of flesh and blood, where nobody listens.
				empty := fab.host(t, f.addr(3)...)
				missing = append(missing, discv5.Contacts(absent(t, empty.numbers()[0]))[0])

				stop := make(chan struct{})
				ended := make(chan int)
				for _, g := range missing {
					go func() {
						n := 0
						for ; ; n++ {
							select {
							case <-stop:
								ended <- n
								return
							default:
							}
							start := time.Now()
							if _, err := x.Ping(t.Context(), g); err == nil || time.Since(start) > bound(&x.config, 1)+slack {
								t.Errorf("PING to nobody: %v after %v", err, time.Since(start))
							}
						}
					}()
				}
				a := newAccount()
				for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
					start := time.Now()
					_, err := x.Ping(t.Context(), peer.contact())
					a.note("Ping", time.Since(start), bound(&x.config, 1), err)
				}
				close(stop)
				failed := 0
				for range missing {
					failed += <-ended
				}
				a.check(t, 1)
				if err := x.Err(); err != nil {
					t.Error(err)
				}
				s := x.Stats().Sockets
				result(t, "%d calls to unreachable nodes failed by themselves; the peer: %v; %d read errors, %+v. Fabric: %v", failed, a,
					s.ReadErrors, s.SendErrors, &fab.tally)
			})
		}
	}
}
