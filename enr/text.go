package enr

import (
	"encoding/base64"
	"strings"
)

// textPrefix is the prefix of the text form (enr.md, Text Encoding).
const textPrefix = "enr:"

// MaxTextSize is the length of the longest text form, including the prefix.
const MaxTextSize = len(textPrefix) + (MaxSize*8+5)/6

// textEncoding is strict: unused bits of the last digit must be zero, so each record has one text.
var textEncoding = base64.RawURLEncoding.Strict()

// ParseText parses the text form of a record, "enr:" and unpadded URL-safe base64, and checks
// structure and signature. The prefix is optional. It returns ErrText for padding, the other base64
// alphabet, white space and nonzero unused bits, and otherwise the errors of Parse.
func ParseText(s string) (*Record, error) {
	s = strings.TrimPrefix(s, textPrefix)
	if len(s) > MaxTextSize-len(textPrefix) {
		return nil, ErrTooLarge
	}
	if strings.ContainsAny(s, "\r\n") { // package base64 would skip these
		return nil, ErrText
	}
	var buf [MaxSize]byte
	n, err := textEncoding.Decode(buf[:], []byte(s))
	if err != nil {
		return nil, ErrText
	}
	return Parse(buf[:n])
}

// AppendText appends the text form to dst. The error is always nil.
func (v View) AppendText(dst []byte) ([]byte, error) {
	return textEncoding.AppendEncode(append(dst, textPrefix...), v.bytes), nil
}

// MarshalText returns the text form. The error is always nil.
func (v View) MarshalText() ([]byte, error) {
	return v.AppendText(make([]byte, 0, MaxTextSize))
}

// String returns the text form.
func (v View) String() string {
	var buf [MaxTextSize]byte
	text, _ := v.AppendText(buf[:0])
	return string(text)
}

// UnmarshalText sets r to the record that ParseText returns. It is for decoders that fill a new
// Record; do not call it on a Record in use. On error r is unchanged.
func (r *Record) UnmarshalText(text []byte) error {
	parsed, err := ParseText(string(text))
	if err != nil {
		return err
	}
	*r = *parsed
	return nil
}
