package fastpath

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// joinScript makes the datagrams of a test from two bytes each: where it goes, and how large it is.
func joinScript(script []byte, tx *Tx, to [4]netip.AddrPort) {
	sizes := [8]int{0, 1, 63, 700, 700, 1200, maxSegment, maxSegment + 1}
	for ; len(script) >= 2 && !tx.Full(); script = script[2:] {
		a, b := script[0], script[1]
		dest := to[0]
		if a&0b1110 == 0b1110 {
			dest = to[a>>4&3]
		}
		n := sizes[b&7]
		if b&0b11000 == 0b11000 {
			n = max(0, n-int(b>>5))
		}
		buf := tx.Buffer()
		for i := range buf[:n] {
			buf[i] = byte(tx.Len()*7 + i)
		}
		tx.Commit(n, dest)
	}
}

// FuzzGSO sends the same datagrams with and without GSO and GRO: the same must arrive, in the same
// order, with the same counts.
func FuzzGSO(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		script := make([]byte, 2*(1+r.IntN(100)))
		for k := range script {
			script[k] = byte(r.Uint32())
			switch {
			case k%2 == 0 && i%3 > 0:
				script[k] &^= 0b1110 // all to one
			case k%2 == 1 && i%2 > 0:
				script[k] = 5 | script[k]&0b11100000 | script[k]&1<<3<<k%4 // of nearly one size
			}
		}
		f.Add(script, i%2 > 0, byte(i))
	}
	var links [2]*gsoLink
	for k, addr := range []netip.AddrPort{loop4, loop6} {
		if addr == loop4 || hasIPv6() {
			links[k] = newGSOLink(f, addr)
		}
	}
	f.Fuzz(func(t *testing.T, script []byte, v6 bool, batch byte) {
		l := links[0]
		if v6 {
			l = links[1]
		}
		if l == nil {
			t.Skip("probed for IPv6: none here")
		}
		l.compare(t, script, 1+int(batch)%9)
	})
}

// gsoLink is two senders, the second of them without GSO, and two receivers for each.
type gsoLink struct {
	from [2]*mmsgConn
	to   [2][2]Conn
	tx   *Tx
	rx   *Rx
}

func newGSOLink(f *testing.F, addr netip.AddrPort) *gsoLink {
	l := &gsoLink{tx: NewTx(100, 1500), rx: NewRx(64, 1500)}
	l.from = [2]*mmsgConn{withGSO(f, Config{Addr: addr}), listen(f, Config{Addr: addr, DisableGSO: true}).Conns()[0].(*mmsgConn)}
	for k := range l.to {
		for i := range l.to[k] {
			l.to[k][i] = open(f, Config{Addr: addr, RecvBuffer: 1 << 20, MinSize: 1, MaxSize: 1200, DisableGSO: k > 0})
		}
	}
	return l
}

func (l *gsoLink) compare(t *testing.T, script []byte, batch int) {
	other := loop6
	if l.from[0].sock.v4 == false {
		other = loop4
	}
	var got [2][2][][]byte
	var counted, arrived [2]ConnStats
	for k, c := range l.from {
		a, b := l.to[k][0].LocalAddr(), l.to[k][1].LocalAddr()
		to := [4]netip.AddrPort{a, b, netip.AddrPortFrom(a.Addr(), 0), netip.AddrPortFrom(other.Addr(), 9)}
		c.sock.batch = batch
		c.sock.rejections.Store(0) // port 0 is refused as if it were for the path
		before, in := c.Stats(), l.received(k)
		joinScript(script, l.tx, to)
		if err := c.WriteBatch(l.tx); err != nil || l.tx.Len() != 0 {
			t.Fatalf("WriteBatch = %v, %d left", err, l.tx.Len())
		}
		counted[k] = c.Stats()
		subtract(&counted[k], &before)
		for i, r := range l.to[k] {
			l.tx.Commit(copy(l.tx.Buffer(), joinEnd), r.LocalAddr())
			c.WriteBatch(l.tx)
			got[k][i] = l.until(t, r)
		}
		arrived[k] = l.received(k)
		subtract(&arrived[k], &in)
	}
	for i := range l.to[0] {
		if len(got[0][i]) != len(got[1][i]) {
			t.Fatalf("receiver %d: %d datagrams with GSO, %d without\n%v\n%v", i, len(got[0][i]), len(got[1][i]), sizesOf(got[0][i]), sizesOf(got[1][i]))
		}
		for n, b := range got[0][i] {
			if !bytes.Equal(b, got[1][i][n]) {
				t.Fatalf("receiver %d: datagram %d is one of %d bytes with GSO, of %d without, or another", i, n, len(b), len(got[1][i][n]))
			}
		}
	}
	if counted[1].TxGSO != 0 || arrived[1].RxGRO != 0 {
		t.Fatal("the reference sends or receives batches")
	}
	if n := counted[0].TxGSO; arrived[0].RxGRO != n {
		t.Fatalf("%d batches left, %d arrived", n, arrived[0].RxGRO)
	}
	// The kernel or this package drops datagrams that are too small or too large.
	for k := range arrived {
		a := &arrived[k]
		a.RxGRO, a.RxBatches, a.KernelDrops, a.Short, a.Long, a.Truncated = 0, 0, a.KernelDrops+a.Short+a.Long+a.Truncated, 0, 0, 0
	}
	if arrived[0] != arrived[1] {
		t.Fatalf("arrived with GSO %+v\nwithout %+v", arrived[0], arrived[1])
	}
	if counted[0].TxGSO == 0 {
		counted[1].TxBatches, counted[0].TxBatches = 0, 0 // refused ones may take more calls
	} else if counted[0].GSORejected == 0 && counted[0].TxBatches > counted[1].TxBatches {
		t.Errorf("%d calls with GSO, %d without", counted[0].TxBatches, counted[1].TxBatches)
	}
	for k := range counted {
		counted[k].TxBatches, counted[k].TxGSO, counted[k].GSORejected = 0, 0, 0
	}
	if counted[0] != counted[1] {
		t.Fatalf("counted with GSO %+v\nwithout %+v", counted[0], counted[1])
	}
}

// received is what the receivers of link k have counted.
func (l *gsoLink) received(k int) (sum ConnStats) {
	for _, c := range l.to[k] {
		sum.Add(c.Stats())
	}
	return sum
}

// joinEnd ends what a receiver gets. It is longer than any datagram of joinScript that begins
// alike.
const joinEnd = "this is the end of all datagrams of a script, which is recognized by its length and what it says"

// until reads up to joinEnd.
func (l *gsoLink) until(t *testing.T, c Conn) (got [][]byte) {
	c.SetReadDeadline(time.Now().Add(patience))
	for {
		if err := c.ReadBatch(l.rx); err != nil {
			t.Fatalf("after %d datagrams: %v", len(got), err)
		}
		for i := range l.rx.Len() {
			if b := l.rx.Packet(i); string(b) != joinEnd {
				got = append(got, bytes.Clone(b))
			} else if i+1 < l.rx.Len() {
				t.Fatal("datagrams after the end")
			} else {
				return got
			}
		}
	}
}

// subtract leaves in a what was counted since b.
func subtract(a, b *ConnStats) {
	x, y := &a.SendErrors, &b.SendErrors
	for _, p := range [][2]*uint64{
		{&a.RxDatagrams, &b.RxDatagrams}, {&a.RxBytes, &b.RxBytes}, {&a.RxBatches, &b.RxBatches}, {&a.RxGRO, &b.RxGRO},
		{&a.Truncated, &b.Truncated}, {&a.Short, &b.Short}, {&a.Long, &b.Long}, {&a.BadSource, &b.BadSource},
		{&a.ReadErrors, &b.ReadErrors}, {&a.KernelDrops, &b.KernelDrops},
		{&a.TxDatagrams, &b.TxDatagrams}, {&a.TxBytes, &b.TxBytes}, {&a.TxBatches, &b.TxBatches},
		{&a.TxGSO, &b.TxGSO}, {&a.GSORejected, &b.GSORejected},
		{&x.Family, &y.Family}, {&x.Refused, &y.Refused}, {&x.Unreachable, &y.Unreachable}, {&x.Denied, &y.Denied},
		{&x.NoBuffers, &y.NoBuffers}, {&x.Blocked, &y.Blocked}, {&x.TooLong, &y.TooLong}, {&x.Closed, &y.Closed}, {&x.Other, &y.Other},
	} {
		*p[0] -= *p[1]
	}
}
