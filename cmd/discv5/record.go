package main

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/quote"
)

// toURL turns the digits of standard base64 into those of the URL-safe one.
var toURL = strings.NewReplacer("+", "-", "/", "_")

// parseView reads a record in any form that users have: text with or without enr:, base64 of either
// alphabet with or without padding, hexadecimal digits with or without 0x, or the bytes themselves.
// The signature is not checked.
func parseView(s string) (enr.View, error) {
	raw, err := recordBytes(s)
	if err != nil {
		return enr.View{}, err
	}
	// Every record is a list of more than 64 bytes. What begins otherwise is another word that
	// happens to be base64.
	if !strings.HasPrefix(s, "enr:") && (len(raw) == 0 || raw[0] < 0xf8) {
		return enr.View{}, wrong("%s is not a record", quote.Short(s))
	}
	v, err := enr.ParseView(raw)
	if err != nil {
		return v, usageError{err}
	}
	return v, nil
}

// maxRecordText is longer than any text of a record: two digits for each byte and a prefix.
const maxRecordText = 2*enr.MaxSize + 8

func recordBytes(s string) ([]byte, error) {
	if strings.HasPrefix(s, "enode://") {
		return nil, wrong("this is an enode URL, not a record; see discv5 enr convert --help")
	}
	if len(s) > 0 && s[0] >= 0xc0 { // an RLP list, which no text begins like
		return []byte(s), nil
	}
	s = strings.TrimPrefix(strings.TrimSpace(s), "enr:")
	if s == "" {
		return nil, wrong("record is empty")
	}
	if len(s) > maxRecordText {
		return nil, usageError{enr.ErrTooLarge}
	}
	// The first digit tells: that of a list of this length is f in hexadecimal and - or + in
	// base64.
	if raw, err := hex.DecodeString(strings.TrimPrefix(s, "0x")); err == nil {
		return raw, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(toURL.Replace(s), "="))
	if err != nil {
		return nil, wrong("%s is not a record: neither base64 nor hexadecimal digits", quote.Short(s))
	}
	return raw, nil
}

// parseRecord is parseView for a record whose signature must be good.
func parseRecord(s string) (*enr.Record, error) {
	v, err := parseView(s)
	if err != nil {
		return nil, err
	}
	r, err := v.Own()
	if err != nil {
		return nil, usageError{err}
	}
	return r, nil
}

// nameRecords puts the prefix before records that lack it: their first character is - in base64,
// and what begins so would be taken for flags.
func nameRecords(args []string) []string {
	named := make([]string, len(args))
	for i, a := range args {
		named[i] = a
		if len(a) < minRecordText || a[0] != '-' || a[1] == '-' {
			continue
		}
		if _, err := parseView(a); err == nil {
			named[i] = "enr:" + a
		}
	}
	return named
}

// minRecordText is shorter than any record's text, as a signature alone is longer, and longer than
// any flag.
const minRecordText = 86
