package dnsdisc

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/fastdisc/discv5/internal/quote"
)

// What can be wrong with a text.
var (
	ErrLink      = errors.New("dnsdisc: not of the form enrtree://<53 characters of base32>@<domain>")
	ErrPublicKey = errors.New("dnsdisc: public key of link is not a point on secp256k1")
	ErrDomain    = errors.New("dnsdisc: not a domain name")
	ErrRoot      = errors.New("dnsdisc: not of the form enrtree-root:v1 e=<hash> l=<hash> seq=<number> sig=<signature>")
	ErrBranch    = errors.New("dnsdisc: not of the form enrtree-branch:<hash>,<hash>,<hash>")
	ErrEntry     = errors.New("dnsdisc: entry is neither a branch, nor a record, nor a link")
	ErrMisplaced = errors.New("dnsdisc: record in the subtree of links, or link in that of records")
	ErrTooLong   = errors.New("dnsdisc: text is longer than 1024 bytes")
)

// What can be wrong with a tree whose texts are well-formed.
var (
	ErrNoRoot    = errors.New("dnsdisc: no text at this name is a root")
	ErrNoEntry   = errors.New("dnsdisc: no text at this name is an entry")
	ErrSignature = errors.New("dnsdisc: root is not signed with the key of the link")
	ErrSeq       = errors.New("dnsdisc: root is older than one that has been seen")
	ErrHash      = errors.New("dnsdisc: entry is not the one whose hash its name has")
)

// Why a walk leaves something out that may be good; see Limits.
var (
	ErrDepth     = errors.New("dnsdisc: too many branches above each other")
	ErrEntries   = errors.New("dnsdisc: tree has too many entries")
	ErrLinkDepth = errors.New("dnsdisc: too many links after each other")
	ErrTrees     = errors.New("dnsdisc: too many trees")
	ErrRequests  = errors.New("dnsdisc: too many DNS requests")
)

// Error is one thing that is wrong with a tree, or that could not be read of it.
type Error struct {
	Tree Link   // the tree
	Name string // DNS name at which it stands
	Text string // what stands there, if it is about that; at most MaxText bytes, from anybody
	Err  error  // why: one of this package, of package enr, or of the resolver
}

// Error names the place and the cause, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("dnsdisc: " + e.Name + ": ")
	if e.Text != "" {
		fmt.Fprintf(&b, "%s: ", quote.Text(e.Text))
	}
	var d *net.DNSError
	if errors.As(e.Err, &d) { // which would tell the name again
		b.WriteString(d.Err)
		if d.Server != "" {
			b.WriteString(" (" + d.Server + ")")
		}
		return b.String()
	}
	b.WriteString(strings.TrimPrefix(e.Err.Error(), "dnsdisc: "))
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// shownErrors is how many errors the text of Errors has; keptErrors how many of them Resolve keeps.
const (
	shownErrors = 3
	keptErrors  = 64
)

// Errors is what Resolve had to leave out.
type Errors struct {
	List    []*Error
	Omitted int // further errors, of which only the number was kept
}

func (e *Errors) add(one *Error) {
	if len(e.List) == keptErrors {
		e.Omitted++
		return
	}
	e.List = append(e.List, one)
}

// Error is the text of the first errors and the number of the others, in one line.
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
