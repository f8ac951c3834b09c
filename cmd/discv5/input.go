package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/nodelist"
	"github.com/fastdisc/discv5/internal/quote"
)

// toURL converts standard base64 to URL-safe base64.
var toURL = strings.NewReplacer("+", "-", "/", "_")

// parseView parses a record in any form that users have: text with or without enr:, base64 of
// either alphabet with or without padding, hexadecimal digits with or without 0x, or the bytes
// themselves. It does not check the signature.
func parseView(s string) (enr.View, error) {
	raw, err := recordBytes(s)
	if err != nil {
		return enr.View{}, err
	}
	// Every record is a list of more than 64 bytes. Anything else is a word that happens to be
	// base64.
	if !strings.HasPrefix(s, "enr:") && (len(raw) == 0 || raw[0] < 0xf8) {
		return enr.View{}, cli.Usagef("%s is not a record", quote.Short(s))
	}
	v, err := enr.ParseView(raw)
	if err != nil {
		return v, cli.Usage(err)
	}
	return v, nil
}

// maxRecordText is longer than any text of a record: two digits for each byte and a prefix.
const maxRecordText = 2*enr.MaxSize + 8

func recordBytes(s string) ([]byte, error) {
	if strings.HasPrefix(s, "enode://") {
		return nil, cli.Usagef("this is an enode URL, not a record; see discv5 enr convert --help")
	}
	if len(s) > 0 && s[0] >= 0xc0 { // an RLP list; no text begins like that
		return []byte(s), nil
	}
	s = strings.TrimPrefix(strings.TrimSpace(s), "enr:")
	if s == "" {
		return nil, cli.Usagef("record is empty")
	}
	if len(s) > maxRecordText {
		return nil, cli.Usage(enr.ErrTooLarge)
	}
	// The first digit of a list of this length is f in hexadecimal, and - or + in base64.
	if raw, err := hex.DecodeString(strings.TrimPrefix(s, "0x")); err == nil {
		return raw, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(toURL.Replace(s), "="))
	if err != nil {
		return nil, cli.Usagef("%s is not a record: neither base64 nor hexadecimal digits", quote.Short(s))
	}
	return raw, nil
}

// parseRecord is parseView for a record whose signature must be valid.
func parseRecord(s string) (*enr.Record, error) {
	v, err := parseView(s)
	if err != nil {
		return nil, err
	}
	r, err := v.Own()
	if err != nil {
		return nil, cli.Usage(err)
	}
	return r, nil
}

// nameRecords adds the prefix enr: to records that lack it. In base64 they begin with -, and would
// be taken for flags.
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

// minRecordText is longer than any flag, and shorter than the text of any record: the signature
// alone is longer.
const minRecordText = 86

// listed is one node of a list.
type listed struct {
	where string // "" for the only node; otherwise "record 3" or "line 9: node ..."
	text  string
	entry nodeEntry // of a nodes.json
}

// nodes calls add with each node of an argument: a list of any size, a nodes.json, or the bytes of
// a single record. It keeps one entry in memory. json says that the entry is of a nodes.json.
// Errors use name as the word for an entry.
func (t *tool) nodes(arg, name string, add func(l listed, json bool) error) error {
	in, closeIn, place, err := t.open(arg)
	if err != nil {
		return err
	}
	defer closeIn()
	r := bufio.NewReader(in)
	start, err := peek(r)
	switch {
	case err != nil:
		return place(cli.Usage(err))
	case isNodes(start):
		return place(readNodes(r, func(id enr.ID, e nodeEntry) error {
			return add(listed{fmt.Sprintf("line %d: node %s", e.line, id), e.Record, e}, true)
		}))
	// an RLP list; no text begins like that
	case len(start) > 0 && start[0] >= 0xc0 && !bytes.HasPrefix(start, []byte("\ufeff")):
		b, err := io.ReadAll(io.LimitReader(r, enr.MaxSize+1))
		if err != nil {
			return place(cli.Usage(err))
		}
		return place(add(listed{text: string(b)}, false))
	}
	// Hold the first entry back: it has no number if it is the only one.
	var first listed
	count := 0
	for e, err := range nodelist.Read(r) {
		if err != nil {
			return place(cli.Usage(err))
		}
		count++
		l := listed{where: fmt.Sprintf("%s %d", name, count), text: e.Text}
		if count == 1 {
			first = l
			continue
		}
		if count == 2 {
			if err := add(first, false); err != nil {
				return place(err)
			}
		}
		if err := add(l, false); err != nil {
			return place(err)
		}
	}
	switch {
	case count == 1:
		first.where = ""
		return place(add(first, false))
	case count == 0 && (strings.HasPrefix(arg, "@") || arg == "-"):
		return cli.Usagef("%w", emptyList(name))
	case count == 0:
		return cli.Usagef("empty")
	}
	return nil
}

// emptyList is the error about a list without entries. Its value is the word for an entry.
type emptyList string

func (e emptyList) Error() string { return "holds no " + string(e) }

// peek returns the start of r, up to the first byte that is not white space or beyond.
func peek(r *bufio.Reader) ([]byte, error) {
	for n := 16; ; n *= 2 {
		b, err := r.Peek(min(n, r.Size()))
		if err != nil && err != io.EOF {
			return nil, err
		}
		if err == io.EOF || n >= r.Size() || len(bytes.TrimLeft(b, "\ufeff \t\r\n")) > 0 {
			return b, nil
		}
	}
}

// open returns a reader of FILE for the argument @FILE, of standard input for -, and otherwise of
// the argument itself. inPlace adds the place to an error.
func (t *tool) open(arg string) (r io.Reader, closeIn func() error, inPlace func(error) error, err error) {
	closeIn = func() error { return nil }
	switch {
	case arg == "":
		return nil, nil, nil, cli.Usagef("empty")
	case arg == "-":
		if t.read {
			return nil, nil, nil, cli.Usagef("standard input has been read already")
		}
		t.read = true
		return t.in, closeIn, func(err error) error { return place("standard input", err) }, nil
	case arg[0] == '@':
		f, err := os.Open(arg[1:])
		if err != nil {
			return nil, nil, nil, cli.Usage(err)
		}
		return f, f.Close, func(err error) error { return place(arg[1:], err) }, nil
	}
	return strings.NewReader(arg), closeIn, func(err error) error { return err }, nil
}

// in adds the place of an entry to an error.
func (l listed) in(err error) error {
	if l.where == "" {
		return err
	}
	return place(l.where, err)
}

// records returns the records of an argument. A file may hold none.
func (t *tool) records(arg string) (list []*enr.Record, err error) {
	err = t.nodes(arg, "record", func(l listed, _ bool) error {
		r, err := parseRecord(l.text)
		if err != nil {
			return l.in(err)
		}
		list = append(list, r)
		return nil
	})
	if none := emptyList(""); errors.As(err, &none) {
		return nil, nil
	}
	return list, err
}

// maxBoot is how many nodes of a nodes.json serve as bootnodes: those with the latest answers and
// the highest scores.
const maxBoot = 64

// bootTexts returns the nodes of a value of --bootnodes.
func (t *tool) bootTexts(arg string) (texts []string, err error) {
	var known []nodeEntry
	err = t.nodes(arg, "node", func(l listed, json bool) error {
		switch {
		case !json && len(texts) == maxKnown:
			return cli.Usagef("more than %d nodes", maxKnown)
		case !json:
			texts = append(texts, l.text)
			return nil
		}
		known = append(known, l.entry)
		if len(known) == 2*maxBoot {
			known = bestNodes(known)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range bestNodes(known) {
		texts = append(texts, e.Record)
	}
	if len(texts) == 0 {
		return nil, cli.Usagef("holds no node")
	}
	return texts, nil
}

// bestNodes returns the best nodes to start from, at most maxBoot. It sorts list.
func bestNodes(list []nodeEntry) []nodeEntry {
	slices.SortStableFunc(list, func(a, b nodeEntry) int {
		if c := b.LastResponse.Compare(a.LastResponse); c != 0 {
			return c
		}
		return b.Score - a.Score
	})
	return list[:min(len(list), maxBoot)]
}
