package serve

import (
	"net"
	"testing"
	"time"
)

// TestBareEcho: a datagram comes back as datagrams of the sizes that were asked for, and one that
// is too short for the protocol does not.
func TestBareEcho(t *testing.T) {
	s, err := startBareEcho(Spec{})
	if err != nil {
		t.Skipf("probed for large socket buffers and a filter: %v", err)
	}
	defer s.close()
	conn, err := net.Dial("udp4", s.ready().Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	buf := make([]byte, 2048)
	for _, sizes := range [][]int{nil, {113}, {1164, 1164, 314}} {
		s.echo(sizes)
		want := sizes
		if want == nil {
			want = []int{99}
		}
		for range 100 { // more answers than a batch has
			for _, n := range []int{62, 1281, 99} {
				if _, err := conn.Write(buf[:n]); err != nil {
					t.Fatal(err)
				}
			}
			for _, n := range want {
				if got, err := conn.Read(buf); err != nil || got != n {
					t.Fatalf("%d bytes, %v, want %d of %v", got, err, n, sizes)
				}
			}
		}
	}
}
