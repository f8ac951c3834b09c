package fastpath

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// homes are several local addresses of this machine, of one family.
type homes struct {
	any   netip.AddrPort
	addrs []netip.Addr
}

func homes4() homes {
	h := homes{any: netip.MustParseAddrPort("0.0.0.0:0")}
	for _, s := range []string{"127.0.0.1", "127.0.0.2", "127.8.9.10"} {
		h.addrs = append(h.addrs, netip.MustParseAddr(s))
	}
	return h
}

// homes6 are ::1 and the other IPv6 addresses that the machine may have.
func homes6() homes {
	h := homes{any: netip.MustParseAddrPort("[::]:0"), addrs: []netip.Addr{netip.IPv6Loopback()}}
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, _ := netip.AddrFromSlice(n.IP); ip.Is6() && !ip.Is4In6() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
				h.addrs = append(h.addrs, ip)
			}
		}
	}
	return h
}

// onHomes runs f on both paths and both families, with a socket of all addresses.
func onHomes(t *testing.T, f func(t *testing.T, g *Group, h homes)) {
	for _, plain := range []bool{false, true} {
		for _, h := range []homes{homes4(), homes6()} {
			t.Run(fmt.Sprintf("%s/%v", map[bool]string{false: "native", true: "portable"}[plain], h.any.Addr()), func(t *testing.T) {
				g := listen(t, Config{Addr: h.any, MaxSize: testMax, MinSize: testMin, Portable: plain, RecvBuffer: 1 << 20})
				if i := g.Info(); !i.LocalAddrs {
					if runtime.GOOS == "linux" || i.LocalAddrsReason == "" {
						t.Fatalf("no local addresses: %v", i)
					}
					t.Skipf("probed for local addresses: %v", i)
				}
				f(t, g, h)
			})
		}
	}
}

// at is where a group of all addresses is reached at one of them.
func at(g *Group, home netip.Addr) netip.AddrPort { return netip.AddrPortFrom(home, g.Addr().Port()) }

// echo answers n datagrams from where they arrived.
func echo(t *testing.T, g *Group, n int) {
	t.Helper()
	c := g.Conns()[0]
	c.SetReadDeadline(time.Now().Add(patience))
	rx, tx := NewRx(64, testMax), NewTx(256, testMax)
	for n > 0 {
		if err := c.ReadBatch(rx); err != nil {
			t.Fatalf("%d datagrams are missing: %v", n, err)
		}
		for i := range rx.Len() {
			b := tx.Buffer()
			tx.CommitFrom(copy(b, rx.Packet(i)), rx.Addr(i), rx.Local(i))
		}
		n -= rx.Len()
		if err := c.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
	}
}

// A socket of all addresses answers from the one that was asked, alone and in GSO batches.
func TestLocalAnswers(t *testing.T) {
	onHomes(t, func(t *testing.T, g *Group, h homes) {
		for _, merge := range []bool{false, true} {
			peer := open(t, Config{Addr: netip.AddrPortFrom(h.addrs[0], 0), DisableGSO: !merge})
			rx, tx := NewRx(64, testMax), NewTx(64, testMax)
			const each = 8
			for range each {
				for i, home := range h.addrs {
					for range 2 {
						queue(t, tx, i, 200, at(g, home))
					}
				}
			}
			want := tx.Len()
			if err := peer.WriteBatch(tx); err != nil {
				t.Fatal(err)
			}
			echo(t, g, want)
			for got := 0; got < want; got += rx.Len() {
				if err := peer.ReadBatch(rx); err != nil {
					t.Fatalf("%d of %d answers: %v", got, want, err)
				}
				for i := range rx.Len() {
					if from, asked := rx.Addr(i), at(g, h.addrs[seqOf(rx.Packet(i))]); from != asked {
						t.Errorf("%v was asked and %v answered", asked, from)
					}
				}
			}
		}
		if st := g.Stats(); st.SendErrors.Sum() != 0 || st.LocalFallbacks != 0 || st.LocalUnknown != 0 {
			t.Errorf("counted %+v", st)
		}
	})
}

// Each datagram tells its local address, and numbers stay the same.
func TestLocalAddr(t *testing.T) {
	onHomes(t, func(t *testing.T, g *Group, h homes) {
		peer, c, rx := open(t, Config{Addr: netip.AddrPortFrom(h.addrs[0], 0)}), g.Conns()[0], NewRx(4, testMax)
		c.SetReadDeadline(time.Now().Add(patience))
		numbers := make(map[Local]netip.Addr)
		for range 3 {
			for _, home := range h.addrs {
				tx := NewTx(1, testMax)
				queue(t, tx, 1, 100, at(g, home))
				if err := peer.WriteBatch(tx); err != nil {
					t.Fatal(err)
				}
				if err := c.ReadBatch(rx); err != nil {
					t.Fatal(err)
				}
				n := rx.Local(0)
				if a := g.LocalAddr(n); n == 0 || a != home {
					t.Errorf("a datagram to %v arrived at %v, number %d", home, a, n)
				}
				numbers[n] = home
			}
		}
		if len(numbers) != len(h.addrs) {
			t.Errorf("numbers of %d addresses: %v", len(h.addrs), numbers)
		}
		if a := g.LocalAddr(MaxLocals + 1); a.IsValid() {
			t.Errorf("a number too large is %v", a)
		}
	})
}

// A group that is bound to one address needs no numbers.
func TestLocalAddrBound(t *testing.T) {
	matrix(t, func(t *testing.T, cfg Config) {
		g := listen(t, cfg)
		if i := g.Info(); i.LocalAddrs || i.LocalAddrsReason != boundToOne {
			t.Errorf("%v", i)
		}
		if a := g.LocalAddr(0); a != cfg.Addr.Addr() {
			t.Errorf("LocalAddr = %v, want %v", a, cfg.Addr.Addr())
		}
	})
}

// A datagram that is to leave from an address which the host does not have leaves from another one,
// and is counted; from then on the system is not asked for it until something arrives there.
func TestLocalGone(t *testing.T) {
	onHomes(t, func(t *testing.T, g *Group, h homes) {
		if h.any.Addr().Is4() && runtime.GOOS != "linux" {
			t.Skip("probed for Linux: no other system is known to refuse such datagrams")
		}
		away := netip.MustParseAddr("192.0.2.77")
		if h.any.Addr().Is6() {
			away = netip.MustParseAddr("2001:db8::77")
		}
		n := g.locals.number(localKey{addr: away})
		peer, c := open(t, Config{Addr: netip.AddrPortFrom(h.addrs[0], 0), RecvBuffer: 1 << 20}), g.Conns()[0]
		tx, rx := NewTx(6, testMax), NewRx(64, testMax)
		sent := uint64(0)
		for range localFailures {
			for i := range 6 { // some may leave as a GSO batch
				b := tx.Buffer()
				tx.CommitFrom(len(b[:200-i/3*50]), peer.LocalAddr(), n)
			}
			if err := c.WriteBatch(tx); err != nil {
				t.Fatal(err)
			}
			sent += 6
			for got := 0; got < 6; got += rx.Len() {
				if err := peer.ReadBatch(rx); err != nil {
					t.Fatal(err)
				}
			}
		}
		if st := g.Stats(); st.LocalFallbacks != sent || st.SendErrors.Sum() != 0 || st.TxDatagrams != sent {
			t.Errorf("%d datagrams sent, counted %+v", sent, st)
		}
		if e, _ := g.locals.entry(n, h.addrs[0]); e != nil {
			t.Error("the address is still used")
		}
		g.locals.number(localKey{addr: away}) // something has arrived there
		if e, _ := g.locals.entry(n, h.addrs[0]); e == nil {
			t.Error("the address is not used although something has arrived there")
		}
	})
}

// An address that the system chooses by default needs no control message, unless the peer is on the
// loopback interface.
func TestLocalDefault(t *testing.T) {
	l := newLocals()
	a, b := netip.MustParseAddr("91.1.1.1"), netip.MustParseAddr("91.1.1.2")
	peer, loopback := netip.MustParseAddr("91.9.9.9"), netip.MustParseAddr("127.0.0.1")
	n := l.number(localKey{addr: a})
	needs := func(n Local, to netip.Addr) bool {
		e, gone := l.entry(n, to)
		if gone {
			t.Errorf("%d is gone", n)
		}
		return e != nil
	}
	if !needs(n, peer) {
		t.Error("no message although nothing is known")
	}
	l.setSystemAddr(a)
	m, linked := l.number(localKey{addr: b}), l.number(localKey{addr: a, index: 3})
	if needs(n, peer) || !needs(n, loopback) || !needs(m, peer) || !needs(linked, peer) {
		t.Errorf("with one address: %v %v %v %v", needs(n, peer), needs(n, loopback), needs(m, peer), needs(linked, peer))
	}
	l.setSystemAddr(netip.Addr{})
	if !needs(n, peer) {
		t.Error("no message although there is another address")
	}
	l.setSystemAddr(b)
	if !needs(n, peer) || needs(m, peer) {
		t.Error("no message for an address that is not the only one")
	}
}

// The table of local addresses is bounded, keeps what is in use, and gives up what is not.
func TestLocalsBounded(t *testing.T) {
	l := newLocals()
	addr := func(i int) localKey {
		return localKey{addr: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}
	}
	for i := range MaxLocals {
		if n := l.number(addr(i)); int(n) != i+1 {
			t.Fatalf("address %d has number %d", i, n)
		}
	}
	for i := range 10 {
		if n := l.number(addr(MaxLocals + i)); n != 0 {
			t.Errorf("an address beyond the bound has number %d", n)
		}
	}
	var c localCache
	c.reset(l)
	if n := c.find(0, mapped|10<<24|1<<23, 0); n != 0 || c.missed != 1 {
		t.Errorf("an address beyond the bound has number %d, %d counted", n, c.missed)
	}
	if len(l.byKey) != MaxLocals {
		t.Errorf("%d addresses, want %d", len(l.byKey), MaxLocals)
	}
	l.swept = l.swept.Add(-localsAge - time.Minute)
	for i := 0; i < MaxLocals; i += 2 {
		l.number(addr(i)) // in use
	}
	fresh := l.number(addr(1 << 20))
	if fresh == 0 {
		t.Fatal("a full table does not give up what is not in use")
	}
	if a := l.addr(fresh); a != addr(1<<20).addr {
		t.Errorf("number %d is %v", fresh, a)
	}
	for i := 0; i < MaxLocals; i += 2 {
		if n := l.number(addr(i)); int(n) != i+1 {
			t.Fatalf("an address in use has number %d instead of %d", n, i+1)
		}
	}
	free := 0
	for i := range MaxLocals {
		if l.number(addr(1<<21+i)) != 0 {
			free++
		}
	}
	if want := MaxLocals/2 - 1; free != want {
		t.Errorf("%d numbers were given up, want %d more", free, want)
	}
}

// A link-local address means something on one interface only: answers to and from such addresses
// leave there.
func TestLocalLinkLocal(t *testing.T) {
	var home netip.Addr
	list, _ := net.Interfaces()
	for _, i := range list {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && i.Flags&net.FlagUp != 0 {
				if ip, _ := netip.AddrFromSlice(n.IP); ip.Is6() && ip.IsLinkLocalUnicast() {
					home = ip.WithZone(i.Name)
				}
			}
		}
	}
	if !home.IsValid() {
		t.Skip("probed for a link-local address: this machine has none")
	}
	for _, plain := range []bool{false, true} {
		g := listen(t, Config{Addr: netip.MustParseAddrPort("[::]:0"), Portable: plain})
		if !g.Info().LocalAddrs {
			t.Skipf("probed for local addresses: %v", g.Info())
		}
		c, err := net.DialUDP("udp6", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(home, g.Addr().Port())))
		if err != nil {
			t.Skipf("probed for a socket to %v: %v", home, err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write([]byte("question")); err != nil {
			t.Skipf("probed for a way to %v: %v", home, err)
		}
		echo(t, g, 1)
		b := make([]byte, 100)
		if n, err := c.Read(b); err != nil || string(b[:n]) != "question" {
			t.Errorf("portable %v: answer %q, %v; counted %+v", plain, b[:n], err, g.Stats())
		}
	}
}

// To know the local address and to answer from there costs no allocation.
func TestLocalAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("probed for the race detector: it allocates")
	}
	onHomes(t, func(t *testing.T, g *Group, h homes) {
		const batch = 32
		peer, c := open(t, Config{Addr: netip.AddrPortFrom(h.addrs[0], 0), Portable: g.Info().Path != PathBatch}), g.Conns()[0]
		c.SetReadDeadline(time.Now().Add(patience))
		out, in, answers := NewTx(batch, testMax), NewRx(64, testMax), NewTx(256, testMax)
		round := func() {
			for i := 0; !out.Full(); i++ {
				out.Commit(100+i/8, at(g, h.addrs[i/4%len(h.addrs)]))
			}
			if err := peer.WriteBatch(out); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < batch; n += in.Len() {
				if err := c.ReadBatch(in); err != nil {
					t.Fatal(err)
				}
				for i := range in.Len() {
					answers.CommitFrom(copy(answers.Buffer(), in.Packet(i)), in.Addr(i), in.Local(i))
				}
				if err := c.WriteBatch(answers); err != nil {
					t.Fatal(err)
				}
			}
			for n := 0; n < batch; n += in.Len() {
				if err := peer.ReadBatch(in); err != nil {
					t.Fatal(err)
				}
			}
		}
		round() // builds what is built once
		if n := testing.AllocsPerRun(100, round); n != 0 {
			t.Errorf("%v allocations per batch", n)
		}
	})
}
