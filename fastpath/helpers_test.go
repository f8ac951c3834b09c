package fastpath

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"
)

const (
	testMin = 63
	testMax = 1280
)

// patience ends a test that would hang; no test depends on its length.
const patience = time.Minute

var (
	loop4 = netip.MustParseAddrPort("127.0.0.1:0")
	loop6 = netip.MustParseAddrPort("[::1]:0")
)

// matrix runs f for both paths on both families.
func matrix(t *testing.T, f func(t *testing.T, cfg Config)) {
	for _, plain := range []bool{false, true} {
		for _, addr := range []netip.AddrPort{loop4, loop6} {
			name := map[bool]string{false: "native", true: "portable"}[plain]
			t.Run(fmt.Sprintf("%s/%v", name, addr.Addr()), func(t *testing.T) {
				f(t, Config{Addr: addr, MaxSize: testMax, MinSize: testMin, Portable: plain})
			})
		}
	}
}

// listen opens a group that the test closes. It skips where the machine lacks
// the address family.
func listen(t testing.TB, cfg Config) *Group {
	t.Helper()
	g, err := Listen(cfg)
	if err != nil {
		if cfg.Addr.Addr().Is6() && !hasIPv6() {
			t.Skipf("probed for IPv6: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func hasIPv6() bool {
	g, err := Listen(Config{Addr: loop6})
	if err != nil {
		return false
	}
	g.Close()
	return true
}

// open returns the only socket of a new group.
func open(t testing.TB, cfg Config) Conn {
	t.Helper()
	c := listen(t, cfg).Conns()[0]
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// queue commits a datagram of n bytes that starts with seq, as far as it fits.
func queue(t testing.TB, tx *Tx, seq, n int, to netip.AddrPort) {
	t.Helper()
	b := tx.Buffer()
	if b == nil {
		t.Fatal("Tx is full")
	}
	clear(b)
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], uint64(seq))
	copy(b[:n], head[:])
	tx.Commit(n, to)
}

// seqOf reads back what queue wrote.
func seqOf(b []byte) int { return int(binary.BigEndian.Uint64(b)) }

// drain reads until want datagrams have come and returns them, copied, by seq.
func drain(t testing.TB, c Conn, rx *Rx, want int) map[int][]byte {
	t.Helper()
	got := make(map[int][]byte, want)
	for n := 0; n < want; n += rx.Len() {
		if err := c.ReadBatch(rx); err != nil {
			t.Fatalf("after %d of %d datagrams: %v", n, want, err)
		}
		for i := range rx.Len() {
			b := rx.Packet(i)
			got[seqOf(b)] = append([]byte(nil), b...)
		}
	}
	if len(got) != want {
		t.Fatalf("%d different datagrams, want %d", len(got), want)
	}
	return got
}

// idle fails the test when another datagram is there. Loopback delivers while
// it sends, so nothing can still be under way.
func idle(t testing.TB, c Conn, rx *Rx) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if err := c.ReadBatch(rx); err != os.ErrDeadlineExceeded {
		t.Fatalf("ReadBatch = %v with %d datagrams, want nothing more", err, rx.Len())
	}
	c.SetReadDeadline(time.Now().Add(patience))
}
