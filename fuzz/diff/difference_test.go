package diff

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
)

// verdict holds the errors of both for one input.
type verdict struct {
	input        []byte
	ours, theirs error
}

// verdicts are the functions that return both verdicts, by target.
var verdicts = map[string]func([]byte) (ours, theirs error){
	"record": recordVerdict, "record text": recordTextVerdict, "enode": enodeVerdict, "message": messageVerdict, "packet": packetVerdict, "tree": treeVerdict,
}

// agree reports whether both accept an input. An unexplained disagreement fails the test.
func agree(t *testing.T, target string, input []byte) bool {
	t.Helper()
	v := verdict{input: input}
	v.ours, v.theirs = verdicts[target](input)
	if (v.ours == nil) == (v.theirs == nil) {
		return v.ours == nil
	}
	for _, d := range differences {
		if d.target == target && d.explains(v) {
			return false
		}
	}
	t.Fatalf("%s %x\nours:   %v\ntheirs: %v", target, input, v.ours, v.theirs)
	return false
}

// difference is an intended disagreement.
type difference struct {
	target string
	name   string
	// explains reports whether a disagreement is this one.
	explains func(verdict) bool
	reason   string
	sample   string
}

// we returns the disagreement in which ours rejects with one of the given errors, and theirs
// accepts.
func we(errs ...error) func(verdict) bool {
	return func(v verdict) bool {
		for _, e := range errs {
			if errors.Is(v.ours, e) && v.theirs == nil {
				return true
			}
		}
		return false
	}
}

// they returns the disagreement in which theirs rejects with a text in its error, and ours accepts.
func they(text string) func(verdict) bool {
	return func(v verdict) bool {
		return v.ours == nil && v.theirs != nil && strings.Contains(v.theirs.Error(), text)
	}
}

// and restricts a disagreement to some inputs.
func and(explains func(verdict) bool, input func([]byte) bool) func(verdict) bool {
	return func(v verdict) bool { return explains(v) && input(v.input) }
}

func begins(prefix string) func([]byte) bool {
	return func(b []byte) bool { return bytes.HasPrefix(b, []byte(prefix)) }
}

// differences are all intended disagreements.
var differences = []difference{
	{"record", "value that is not canonical", we(enr.ErrNonCanonical, enr.ErrTruncated), "a record has one encoding; theirs does not look into values of keys that it does not know",
		string(signed(pair{"x", "\x81\x05"}))},

	{"record text", "no prefix", and(they("missing 'enr:' prefix"), func(b []byte) bool { return !begins("enr:")(b) }), "users have records without it",
		strings.TrimPrefix(exampleText, "enr:")},
	{"record text", "form of base64", we(enr.ErrText), "a record has one text: no line breaks, no set bits after the end",
		exampleText[:40] + "\n" + exampleText[40:]},
	{"record text", "the record", we(enr.ErrNonCanonical, enr.ErrTruncated), "as in the target record",
		textOf(signed(pair{"x", "\x81\x05"}))},
	{"record text", "longer than any record", and(we(enr.ErrTooLarge), func(b []byte) bool { return len(b) > enr.MaxTextSize }), "line breaks, which theirs skips, are counted before anything is read",
		exampleText + strings.Repeat("\n", enr.MaxTextSize)},

	{"enode", "not a complete URL", we(enr.ErrEnode), "a node without an endpoint cannot be contacted; nothing but discport belongs into the query; theirs reads any URL",
		"enode://" + exampleKey},
	{"enode", "host", we(enr.ErrEnodeHost), "neither an address nor a DNS name: theirs takes whatever a URL may have there, also nothing",
		"enode://" + exampleKey + "@a_b..c:30303"},
	{"enode", "ports", we(enr.ErrEnodePort), "nobody can be contacted at port 0, and an empty discport is a mistake",
		"enode://" + exampleKey + "@1.2.3.4:0"},

	{"message", "topic messages", and(they("unknown packet type"), func(b []byte) bool { return b[0] >= 7 && b[0] <= 10 }), "theirs does not know them",
		string((&codec.TopicQuery{}).Append(nil))},
	{"message", "distance over 256", we(codec.ErrDistance), "there is no such distance",
		"\x03\xc5\x01\xc3\x82\x01\x01"},
	{"message", "address of PONG", we(codec.ErrIPSize), "theirs takes any number of bytes for an address",
		"\x02\xc6\x01\x01\x82\x01\x02\x05"},
	{"message", "total over 255", and(they("rlp: input string too long for uint8"), begins("\x04")), "the total is what the sender claims; the engine bounds it",
		"\x04\xc5\x01\x82\x01\x00\xc0"},
	{"message", "bad record in NODES", and(they(""), badRecord), "a record that is not good is left out, those beside it are used",
		"\x04\xc4\x01\x01\xc1\xc0"},

	{"packet", "larger than 1280 bytes", we(codec.ErrSize), "the specification's limit; theirs leaves it to the buffer it reads into",
		string(append(samplePackets()[0], make([]byte, 1280)...))},
	{"packet", "later version", and(we(codec.ErrProtocol), func(b []byte) bool { return b[22] != 0 || b[23] > 1 }), "nothing says that a later version looks the same",
		change1(samplePackets()[1], 23, 2)},
	{"packet", "bytes after WHOAREYOU", we(codec.ErrTrailing), "it has no message",
		string(append(samplePackets()[1], 0))},
	{"packet", "no message", we(codec.ErrNoMessage), "not even a type fits beside the tag, or not the tag; theirs finds out by decrypting",
		string(samplePackets()[2][:len(samplePackets()[2])-24])},
	{"packet", "sizes of signature and key", we(codec.ErrKeySizes), "scheme v4 knows one size of each; theirs finds out when it verifies",
		change1(samplePackets()[2], 39+32, 63)},
	{"packet", "record over 300 bytes", we(codec.ErrRecordSize), "the limit of EIP-778; theirs finds out when it decodes the record",
		string(largeRecord())},

	{"tree", "base32 with set bits after the end", we(dnsdisc.ErrRoot, dnsdisc.ErrBranch, dnsdisc.ErrLink), "a hash and a key have one text",
		"\x01enrtree://AM5FCQLWIZX2QFPNJAP7VUERCCRNGRHWZG3YYHIUV7BVDQ5FDPRT3@a"},
	{"tree", "domain of a link", we(dnsdisc.ErrDomain), "it is not a DNS name and could not be asked for",
		"\x01enrtree://AM5FCQLWIZX2QFPNJAP7VUERCCRNGRHWZG3YYHIUV7BVDQ5FDPRT2@a b"},
	{"tree", "the record", we(enr.ErrNonCanonical, enr.ErrTruncated), "as in the target record",
		"\x00" + textOf(signed(pair{"x", "\x81\x05"}))},
	{"tree", "form of base64", we(enr.ErrText), "as in the target record text",
		"\x00" + exampleText[:40] + "\n" + exampleText[40:]},
	{"tree", "long text", we(dnsdisc.ErrTooLong), "twice what the specification allows for",
		"\x01enrtree://AM5FCQLWIZX2QFPNJAP7VUERCCRNGRHWZG3YYHIUV7BVDQ5FDPRT2@" + strings.Repeat("a.", 500) + "a"},
}

func change1(b []byte, at int, to byte) string {
	b[at] = to
	return string(b)
}

// textOf returns the text form of any bytes.
func textOf(b []byte) string { return "enr:" + base64.RawURLEncoding.EncodeToString(b) }

// TestDifferences: each entry of the table is a real disagreement, and explains itself.
func TestDifferences(t *testing.T) {
	for _, d := range differences {
		v := verdict{input: []byte(d.sample)}
		v.ours, v.theirs = verdicts[d.target](v.input)
		switch {
		case (v.ours == nil) == (v.theirs == nil):
			t.Errorf("%s, %s: no difference any more: ours %v, theirs %v", d.target, d.name, v.ours, v.theirs)
		case !d.explains(v):
			t.Errorf("%s, %s: not explained: ours %v, theirs %v", d.target, d.name, v.ours, v.theirs)
		case d.reason == "":
			t.Errorf("%s, %s: no reason", d.target, d.name)
		}
	}
}
