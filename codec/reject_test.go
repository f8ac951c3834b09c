package codec_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/rlp"
)

func TestMessageRejects(t *testing.T) {
	ff := func(n int) string { return strings.Repeat("ff", n) }
	tests := []struct {
		name, hex string
		want      error
	}{
		{"empty message", "", codec.ErrMessageType},
		{"type 0", "00 c2 80 80", codec.ErrMessageType},
		{"type 0x0b", "0b c2 80 80", codec.ErrMessageType},
		{"type 0xff", "ff c2 80 80", codec.ErrMessageType},
		{"type alone", "01", rlp.ErrTruncated},
		{"string for list", "01 82 80 80", rlp.ErrNotList},
		{"single byte for list", "01 05", rlp.ErrNotList},
		{"empty list", "01 c0", rlp.ErrTruncated},
		{"list of the request ID alone", "01 c1 80", rlp.ErrTruncated},
		{"request ID of 9 bytes", "01 cb 89" + ff(9) + "01", codec.ErrRequestID},
		{"request ID of 56 bytes", "01 f83b b838" + ff(56) + "01", codec.ErrRequestID},
		{"request ID is a list", "01 c2 c0 01", rlp.ErrNotString},
		{"request ID not canonical", "01 c3 8101 01", rlp.ErrNonCanonical},
		{"list length not canonical", "01 f802 80 80", rlp.ErrNonCanonical},
		{"list length with leading zero", "01 f90002 80 80", rlp.ErrNonCanonical},
		{"list length beyond the message", "01 c3 80 80", rlp.ErrTruncated},
		{"list length huge", "01 fbffffffff 80 80", rlp.ErrTruncated},
		{"byte after the list", "01 c2 80 80 00", codec.ErrTrailing},
		{"list after the list", "01 c2 80 80 c0", codec.ErrTrailing},

		{"PING, third element", "01 c3 80 80 80", codec.ErrTrailing},
		{"PING, seq 00", "01 c2 80 00", rlp.ErrInteger},
		{"PING, seq with leading zero", "01 c4 80 820001", rlp.ErrInteger},
		{"PING, seq of one small byte with header", "01 c3 80 8101", rlp.ErrNonCanonical},
		{"PING, seq of 9 bytes", "01 cb 80 89" + ff(9), rlp.ErrInteger},
		{"PING, seq is a list", "01 c2 80 c0", rlp.ErrNotString},

		{"PONG, no port", "02 c7 80 80 8401020304", rlp.ErrTruncated},
		{"PONG, IP of 0 bytes", "02 c4 80 80 80 01", codec.ErrIPSize},
		{"PONG, IP of 1 byte", "02 c4 80 80 01 01", codec.ErrIPSize},
		{"PONG, IP of 3 bytes", "02 c7 80 80 83010203 01", codec.ErrIPSize},
		{"PONG, IP of 5 bytes", "02 c9 80 80 850102030405 01", codec.ErrIPSize},
		{"PONG, IP of 15 bytes", "02 d3 80 80 8f" + ff(15) + "01", codec.ErrIPSize},
		{"PONG, IP of 17 bytes", "02 d5 80 80 91" + ff(17) + "01", codec.ErrIPSize},
		{"PONG, IP is a list", "02 c8 80 80 c401020304 01", rlp.ErrNotString},
		{"PONG, port 65536", "02 cb 80 80 8401020304 83010000", rlp.ErrInteger},
		{"PONG, port with leading zero", "02 ca 80 80 8401020304 820050", rlp.ErrInteger},
		{"PONG, fifth element", "02 c9 80 80 8401020304 01 01", codec.ErrTrailing},

		{"FINDNODE, distance 257", "03 c5 80 c3 820101", codec.ErrDistance},
		{"FINDNODE, distance 257 behind good ones", "03 c7 80 c5 01 02 820101", codec.ErrDistance},
		{"FINDNODE, distance of 8 bytes", "03 cb 80 c9 88" + ff(8), codec.ErrDistance},
		{"FINDNODE, distance of 9 bytes", "03 cc 80 ca 89" + ff(9), rlp.ErrInteger},
		{"FINDNODE, distance 00", "03 c3 80 c1 00", rlp.ErrInteger},
		{"FINDNODE, distance is a list", "03 c3 80 c1 c0", rlp.ErrNotString},
		{"FINDNODE, distances are no list", "03 c2 80 01", rlp.ErrNotList},
		{"FINDNODE, no distances", "03 c1 80", rlp.ErrTruncated},
		{"FINDNODE, third element", "03 c3 80 c0 01", codec.ErrTrailing},
		{"FINDNODE, distance cut", "03 c3 80 c1 82", rlp.ErrTruncated},

		{"NODES, total of 9 bytes", "04 cc 80 89" + ff(9) + "c0", rlp.ErrInteger},
		{"NODES, total with leading zero", "04 c5 80 820001 c0", rlp.ErrInteger},
		{"NODES, records are no list", "04 c3 80 01 80", rlp.ErrNotList},
		{"NODES, a string among the records", "04 c6 80 01 c3 c0 80 c0", rlp.ErrNotList},
		{"NODES, a byte among the records", "04 c5 80 01 c2 c0 05", rlp.ErrNotList},
		{"NODES, last record cut", "04 c5 80 01 c2 c0 c1", rlp.ErrTruncated},
		{"NODES, record length not canonical", "04 c5 80 01 c2 f800", rlp.ErrNonCanonical},
		{"NODES, no records", "04 c2 80 01", rlp.ErrTruncated},
		{"NODES, fourth element", "04 c4 80 01 c0 c0", codec.ErrTrailing},

		{"TALKREQ, no payload", "05 c2 80 80", rlp.ErrTruncated},
		{"TALKREQ, protocol is a list", "05 c3 80 c0 80", rlp.ErrNotString},
		{"TALKREQ, payload is a list", "05 c3 80 80 c0", rlp.ErrNotString},
		{"TALKREQ, payload not canonical", "05 c4 80 80 8101", rlp.ErrNonCanonical},
		{"TALKREQ, fourth element", "05 c4 80 80 80 80", codec.ErrTrailing},
		{"TALKRESP, no payload", "06 c1 80", rlp.ErrTruncated},
		{"TALKRESP, payload is a list", "06 c2 80 c0", rlp.ErrNotString},
		{"TALKRESP, third element", "06 c3 80 80 80", codec.ErrTrailing},

		{"REGTOPIC, topic of 31 bytes", "07 e4 80 9f" + ff(31) + "c0 80 c0", codec.ErrTopicSize},
		{"REGTOPIC, topic of 33 bytes", "07 e6 80 a1" + ff(33) + "c0 80 c0", codec.ErrTopicSize},
		{"REGTOPIC, topic empty", "07 c5 80 80 c0 80 c0", codec.ErrTopicSize},
		{"REGTOPIC, record and ticket are strings", "07 e5 80" + topicHex + "80 80 c0", rlp.ErrNotList},
		{"REGTOPIC, ticket first, record of 301 bytes", "07 f90151 80" + topicHex + "80" + "f9012a" + strings.Repeat("01", 298) + "c0", codec.ErrRecordSize},
		{"REGTOPIC, ticket first, record of 300 bytes", "07 f90150 80" + topicHex + "80" + "f90129" + strings.Repeat("01", 297) + "c0", nil},
		{"REGTOPIC, ticket first, no distances", "07 e4 80" + topicHex + "80 c0", rlp.ErrTruncated},
		{"REGTOPIC, ticket first, sixth element", "07 e6 80" + topicHex + "80 c0 c0 80", codec.ErrTrailing},
		{"REGTOPIC, ticket first, ticket not canonical", "07 e6 80" + topicHex + "8101 c0 c0", rlp.ErrNonCanonical},
		{"REGTOPIC, no record and no ticket", "07 e2 80" + topicHex, rlp.ErrTruncated},
		{"REGTOPIC, ID of 9 bytes", "07 ee 89" + ff(9) + topicHex + "c0 80 c0", codec.ErrRequestID},
		{"REGTOPIC, 256 distances", "07 f90127 80" + topicHex + "c0 80 f90100" + strings.Repeat("01", 256), nil},
		{"REGTOPIC, record of 301 bytes", "07 f90151 80" + topicHex + "f9012a" + strings.Repeat("01", 298) + "80 c0", codec.ErrRecordSize},
		{"REGTOPIC, record of 300 bytes", "07 f90150 80" + topicHex + "f90129" + strings.Repeat("01", 297) + "80 c0", nil},
		{"REGTOPIC, ticket is a list", "07 e5 80" + topicHex + "c0 c0 c0", rlp.ErrNotString},
		{"REGTOPIC, no distances", "07 e4 80" + topicHex + "c0 80", rlp.ErrTruncated},
		{"REGTOPIC, distance 257", "07 e8 80" + topicHex + "c0 80 c3 820101", codec.ErrDistance},
		{"REGTOPIC, sixth element", "07 e6 80" + topicHex + "c0 80 c0 80", codec.ErrTrailing},
		{"REGCONFIRMATION, no wait time", "08 c3 80 01 80", rlp.ErrTruncated},
		{"REGCONFIRMATION, total is a list", "08 c4 80 c0 80 80", rlp.ErrNotString},
		{"REGCONFIRMATION, ticket is a list", "08 c4 80 80 c0 80", rlp.ErrNotString},
		{"REGCONFIRMATION, wait time of 9 bytes", "08 cd 80 80 80 89" + ff(9), rlp.ErrInteger},
		{"REGCONFIRMATION, ticket of 257 bytes", "08 f90107 80 01 b90101" + ff(257) + "01", codec.ErrTicketSize},
		{"REGCONFIRMATION, ticket of 256 bytes", "08 f90106 80 01 b90100" + ff(256) + "01", nil},
		{"REGCONFIRMATION, largest numbers", "08 d4 80 88" + ff(8) + "80 88" + ff(8), nil},
		{"REGCONFIRMATION, total 0", "08 c4 80 80 80 80", nil},
		{"REGCONFIRMATION, fifth element", "08 c5 80 01 80 01 01", codec.ErrTrailing},
		{"TOPICQUERY, topic of 31 bytes", "09 e2 80 9f" + ff(31) + "c0", codec.ErrTopicSize},
		{"TOPICQUERY, distance 257", "09 e6 80" + topicHex + "c3 820101", codec.ErrDistance},
		{"TOPICQUERY, fourth element", "09 e4 80" + topicHex + "c0 c0", codec.ErrTrailing},
		{"TOPICNODES, a string among the records", "0a c4 80 01 c1 80", rlp.ErrNotList},
		{"TOPICNODES, fourth element", "0a c4 80 01 c0 c0", codec.ErrTrailing},
	}
	for _, tt := range tests {
		if _, err := decode(unhex(tt.hex)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestMessageMutations applies every mutation that must make a message invalid to each message of
// the table.
func TestMessageMutations(t *testing.T) {
	for _, tt := range messageTests {
		b := unhex(tt.hex)
		for n := range b {
			if _, err := decode(b[:n]); err == nil {
				t.Errorf("%s: accepted when cut to %d bytes", tt.name, n)
			}
		}
		fields, _, err := rlp.List(b[1:])
		if err != nil {
			t.Fatal(err)
		}
		list := func(fields ...[]byte) []byte {
			n := 0
			for _, f := range fields {
				n += len(f)
			}
			m := rlp.AppendListHeader([]byte{b[0]}, n)
			for _, f := range fields {
				m = append(m, f...)
			}
			return m
		}
		for _, extra := range []string{"80", "01", "c0"} {
			if _, err := decode(list(fields, unhex(extra))); err != codec.ErrTrailing {
				t.Errorf("%s: with a further element %s: %v", tt.name, extra, err)
			}
			if _, err := decode(append(unhex(tt.hex), unhex(extra)...)); err != codec.ErrTrailing {
				t.Errorf("%s: with %s behind it: %v", tt.name, extra, err)
			}
		}
		var starts [][]byte // fields from the i-th on
		for rest := fields; len(rest) > 0; {
			starts = append(starts, rest)
			if _, rest, err = rlp.Value(rest); err != nil {
				t.Fatal(err)
			}
		}
		for i, rest := range starts {
			before := fields[:len(fields)-len(rest)]
			if _, err := decode(list(before)); err == nil {
				t.Errorf("%s: accepted with %d elements", tt.name, i)
			}
		}
	}
}
