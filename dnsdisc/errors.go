package dnsdisc

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/fastdisc/discv5/internal/quote"
)

// Errors of a text.
var (
	ErrLink      = errors.New("dnsdisc: not of the form enrtree://<53 characters of base32>@<domain>")
	ErrPublicKey = errors.New("dnsdisc: public key of link is not a point on secp256k1")
	ErrDomain    = errors.New("dnsdisc: not a domain name")
	ErrRoot      = errors.New("dnsdisc: not of the form enrtree-root:v1 e=<hash> l=<hash> seq=<number> sig=<signature>")
	ErrBranch    = errors.New("dnsdisc: not of the form enrtree-branch:<hash>,<hash>,<hash>")
	ErrEntry     = errors.New("dnsdisc: entry is not a branch, record or link")
	ErrMisplaced = errors.New("dnsdisc: record in the subtree of links, or link in that of records")
	ErrTooLong   = errors.New("dnsdisc: text is longer than 1024 bytes")
)

// Errors of a tree whose texts are well-formed.
var (
	ErrNoRoot    = errors.New("dnsdisc: no text at this name is a root")
	ErrNoEntry   = errors.New("dnsdisc: no text at this name is an entry")
	ErrSignature = errors.New("dnsdisc: root is not signed with the key of the link")
	ErrSeq       = errors.New("dnsdisc: root is older than one that has been seen")
	ErrHash      = errors.New("dnsdisc: entry does not match the hash in its name")
)

// Reasons why a walk leaves out entries that may be good; see Limits.
var (
	ErrDepth     = errors.New("dnsdisc: too many nested branches")
	ErrEntries   = errors.New("dnsdisc: tree has too many entries")
	ErrLinkDepth = errors.New("dnsdisc: too many consecutive links")
	ErrTrees     = errors.New("dnsdisc: too many trees")
	ErrRequests  = errors.New("dnsdisc: too many DNS requests")
)

// Error reports a bad or unreadable part of a tree.
type Error struct {
	Tree Link   // the tree
	Name string // its DNS name
	Text string // the text there, if it is the cause; at most MaxText bytes, not trusted
	Err  error  // an error of this package, of package enr, or of the resolver
}

// Error returns name and cause in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("dnsdisc: " + e.Name + ": ")
	if e.Text != "" {
		fmt.Fprintf(&b, "%s: ", quote.Text(e.Text))
	}
	var d *net.DNSError
	if errors.As(e.Err, &d) { // it would repeat the name
		b.WriteString(d.Err)
		if d.Server != "" {
			b.WriteString(" (" + d.Server + ")")
		}
		return b.String()
	}
	b.WriteString(strings.TrimPrefix(e.Err.Error(), "dnsdisc: "))
	return b.String()
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// shownErrors is the number of errors in the text of Errors, keptErrors the number that Resolve
// keeps.
const (
	shownErrors = 3
	keptErrors  = 64
)

// Errors are the parts that Resolve left out.
type Errors struct {
	List    []*Error
	Omitted int // number of further errors
}

func (e *Errors) add(one *Error) {
	if len(e.List) == keptErrors {
		e.Omitted++
		return
	}
	e.List = append(e.List, one)
}

// Error returns the first errors and the number of the others, in one line.
func (e *Errors) Error() string {
	var b strings.Builder
	for i, one := range e.List {
		text := one.Error()
		switch {
		case i == shownErrors:
			fmt.Fprintf(&b, "; and %d more", len(e.List)-i+e.Omitted)
			return b.String()
		case i > 0:
			text = "; " + strings.TrimPrefix(text, "dnsdisc: ")
		}
		b.WriteString(text)
	}
	return b.String()
}

// Unwrap returns the errors, for errors.Is and errors.As.
func (e *Errors) Unwrap() []error {
	list := make([]error, len(e.List))
	for i, one := range e.List {
		list[i] = one
	}
	return list
}
