package fastpath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelModel acts as sendmmsg for one Tx. Each datagram has a fate that does not depend on the
// entry it leaves with: a GSO batch leaves if all of its datagrams would, unless there is a reason
// against GSO.
type kernelModel struct {
	t     *testing.T
	r     *rand.Rand
	tx    *Tx
	fate  []syscall.Errno // of each datagram alone
	moods int             // how often the call fails for a reason that passes
	sent  []int           // datagrams that went
	bytes int
	calls int // that sent something
	whole int // GSO batches that went
	no    int // and that did not
}

func (k *kernelModel) send(_ uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
	if k.moods > 0 && k.r.IntN(3) == 0 {
		k.moods--
		return -1, []syscall.Errno{unix.EAGAIN, unix.EINTR, unix.ENOBUFS}[k.r.IntN(3)]
	}
	for i, e := range unsafe.Slice(h, n) {
		if i > 0 && k.r.IntN(6) == 0 {
			return i, 0 // a short count
		}
		if errno := k.entry(&e); errno != 0 {
			if i > 0 {
				return i, 0 // said when a call begins with this entry
			}
			if e.hdr.Iovlen > 1 {
				k.no++
			}
			return -1, errno
		}
		if i == 0 {
			k.calls++
		}
	}
	return n, 0
}

// entry takes one entry of the call as a whole or not at all.
func (k *kernelModel) entry(e *mmsghdr) syscall.Errno {
	iov := unsafe.Slice(e.hdr.Iov, e.hdr.Iovlen)
	segment := 0
	if e.hdr.Control != nil || e.hdr.Controllen != 0 {
		b := unsafe.Slice(e.hdr.Control, e.hdr.Controllen)
		head := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		if head.Type != unix.UDP_SEGMENT || len(b) != unix.CmsgSpace(2) {
			k.t.Fatal("not the control message of a GSO batch")
		}
		segment = int(*(*uint16)(unsafe.Pointer(&b[unix.CmsgLen(0)])))
	}
	if segment > 0 != (len(iov) > 1) {
		k.t.Fatalf("%d datagrams with segments of %d bytes", len(iov), segment)
	}
	mood := k.r.IntN(12)
	total, slots := 0, []int(nil)
	var errno syscall.Errno
	for i, v := range iov {
		slot := int(uintptr(unsafe.Pointer(v.Base))-uintptr(unsafe.Pointer(&k.tx.slab[0]))) / k.tx.stride
		p := &k.tx.queue[slot]
		if int(v.Len) != p.n || i < len(iov)-1 && segment != p.n || i > 0 && (p.n == 0 || p.n > segment) {
			k.t.Fatalf("datagram %d of %d bytes, at %d of a batch of segments of %d", slot, v.Len, i, segment)
		}
		if to, ok := sockaddrAddrPort((*unix.RawSockaddrInet6)(unsafe.Pointer(e.hdr.Name)), e.hdr.Namelen); !ok || to != p.to {
			k.t.Fatalf("datagram %d goes to %v, want %v", slot, to, p.to)
		}
		total += p.n
		slots = append(slots, slot)
		if errno == 0 {
			errno = k.fate[slot]
		}
	}
	if total > maxGSOSize && len(iov) > 1 {
		k.t.Fatalf("a batch of %d bytes", total)
	}
	if len(iov) > 1 {
		if errno == 0 && mood < 2 {
			errno = []syscall.Errno{unix.EINVAL, unix.EMSGSIZE}[mood]
		}
		if errno == 0 {
			k.whole++
		}
	}
	if errno == 0 {
		k.sent, k.bytes = append(k.sent, slots...), k.bytes+total
	}
	return errno
}

// Whatever the kernel says, in whatever place: each datagram goes once, in its turn, if it could go
// alone, and is counted for its own reason if not.
func TestGSOModel(t *testing.T) {
	c := withGSO(t, Config{Addr: loop4})
	c.sock.sendWait = patience // the model says no a few times only
	to := []netip.AddrPort{
		netip.MustParseAddrPort("127.0.0.1:9"), netip.MustParseAddrPort("127.0.0.2:9"),
		netip.MustParseAddrPort("127.0.0.1:10"), netip.MustParseAddrPort("[::1]:9"),
	}
	fates := []syscall.Errno{unix.EPERM, unix.EHOSTUNREACH, unix.EMSGSIZE, unix.EINVAL}
	tx := NewTx(70, 1500)
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		k := &kernelModel{t: t, r: r, tx: tx, moods: r.IntN(3)}
		c.send, c.sock.batch = k.send, 1+r.IntN(70)
		c.sock.rejections.Store(0)
		sizes := []int{1100, 1100, 1100, r.IntN(1101), r.IntN(1501)}
		var want []int
		var errs SendErrors
		sick := r.IntN(2) * r.IntN(8)
		for i := range 1 + r.IntN(tx.Cap()) {
			dest := to[0]
			if r.IntN(8) == 0 {
				dest = to[r.IntN(len(to))]
			}
			tx.Commit(sizes[r.IntN(len(sizes))], dest)
			k.fate = append(k.fate, 0)
			switch {
			case dest == to[3]:
				errs.Family++
				continue
			case r.IntN(16) >= sick:
				want = append(want, i)
				continue
			}
			switch k.fate[i] = fates[r.IntN(len(fates))]; k.fate[i] {
			case unix.EPERM:
				errs.Denied++
			case unix.EHOSTUNREACH:
				errs.Unreachable++
			case unix.EMSGSIZE:
				errs.TooLong++
			default:
				errs.Other++
			}
		}
		before := c.Stats()
		if err := c.WriteBatch(tx); err != nil || tx.Len() != 0 {
			t.Fatalf("seed %d: WriteBatch = %v, %d left", seed, err, tx.Len())
		}
		st := c.Stats()
		subtract(&st, &before)
		if !slices.Equal(k.sent, want) {
			t.Fatalf("seed %d: sent %v\nwant %v", seed, k.sent, want)
		}
		got := fmt.Sprint(st.TxDatagrams, st.TxBytes, st.TxBatches, st.TxGSO, st.GSORejected, st.SendErrors)
		if counts := fmt.Sprint(len(want), k.bytes, k.calls, k.whole, k.no, errs); got != counts {
			t.Fatalf("seed %d: counted %s, want %s", seed, got, counts)
		}
	}
}
