package fastpath

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cmsg builds one control message, with its length field as given.
func cmsg(length uint64, level, kind, value uint32) []byte {
	b := make([]byte, cmsgSpace)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	if cmsgAlign == 8 {
		binary.NativeEndian.PutUint64(b, length)
	} else {
		binary.NativeEndian.PutUint32(b, uint32(length))
	}
	h.Level, h.Type = int32(level), int32(kind)
	binary.NativeEndian.PutUint32(b[unix.SizeofCmsghdr:], value)
	return b
}

func TestFindControl(t *testing.T) {
	const whole = unix.SizeofCmsghdr + 4
	ovfl := cmsg(whole, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 0xdeadbeef)
	other := cmsg(whole, unix.SOL_SOCKET, unix.SO_TIMESTAMP, 1)
	join := func(parts ...[]byte) (out []byte) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	for _, c := range []struct {
		name string
		b    []byte
		want uint32
		ok   bool
	}{
		{"nothing", nil, 0, false},
		{"alone", ovfl, 0xdeadbeef, true},
		{"without padding", ovfl[:whole], 0xdeadbeef, true},
		{"second", join(other, ovfl), 0xdeadbeef, true},
		{"another kind", other, 0, false},
		{"another level", cmsg(whole, unix.SOL_IP, unix.SO_RXQ_OVFL, 1), 0, false},
		{"cut in the header", ovfl[:unix.SizeofCmsghdr-1], 0, false},
		{"cut in the value", ovfl[:whole-1], 0, false},
		{"header only", cmsg(unix.SizeofCmsghdr, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1), 0, false},
		{"length zero", join(cmsg(0, 0, 0, 0), ovfl), 0, false},
		{"length near the maximum", join(cmsg(1<<64-1, 0, 0, 0), ovfl), 0, false},
		{"length that wraps when aligned", join(cmsg(1<<63-1, 0, 0, 0), ovfl), 0, false},
	} {
		if v, ok := findControl(c.b, unix.SOL_SOCKET, unix.SO_RXQ_OVFL); v != c.want || ok != c.ok {
			t.Errorf("%s: %#x, %v", c.name, v, ok)
		}
	}
}

// FuzzFindControl looks for a walk that leaves its bytes or does not end.
func FuzzFindControl(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(cmsg(unix.SizeofCmsghdr+4, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 7))
	f.Add(append(cmsg(unix.SizeofCmsghdr+1, 0, 0, 0), cmsg(unix.SizeofCmsghdr+4, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 7)...))
	f.Add(cmsg(1<<64-1, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, ok := findControl(b, unix.SOL_SOCKET, unix.SO_RXQ_OVFL)
		if !ok && v != 0 {
			t.Errorf("value %d without success", v)
		}
		if ok && len(b) < unix.SizeofCmsghdr+4 {
			t.Errorf("found a value in %d bytes", len(b))
		}
	})
}
