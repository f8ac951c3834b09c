package dnsdisc

import (
	"strings"
	"testing"
)

// TestS47ErrorsQuoteLittle: an error quotes at most 100 bytes of a text in DNS or of a URL.
func TestS47ErrorsQuoteLittle(t *testing.T) {
	long := strings.Repeat("7", 1_000_000)
	e := &Error{Name: "a.example.org", Text: long, Err: ErrBranch}
	if text := e.Error(); strings.Contains(text, long[:101]) || len(text) > 300 {
		t.Errorf("%.300s", text)
	}
	for _, url := range []string{long, LinkPrefix + long, LinkPrefix + "AM5FCQLWIZX2QFPNJAP7VUERCCRNGRHWZG3YYHIUV7BVDQ5FDPRT2@" + long} {
		if _, err := ParseLink(url); err == nil || strings.Contains(err.Error(), long[:101]) {
			t.Errorf("%.20s...: %.300v", url, err)
		}
	}
}
