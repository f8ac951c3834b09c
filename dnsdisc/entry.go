package dnsdisc

import (
	"strings"

	"github.com/fastdisc/discv5/enr"
)

const (
	branchPrefix = "enrtree-branch:"
	recordPrefix = "enr:"

	// MaxText is the longest accepted text in bytes. A published text should fit into a DNS packet
	// of 512 bytes (dnsdisc.md, DNS Record Structure).
	MaxText = 1024
)

// ParseBranch parses a branch and returns its hashes; there may be none. ErrBranch: it has another
// form, or a hash that is not 12 to 32 bytes in base32.
func ParseBranch(s string) ([]string, error) {
	list, ok := strings.CutPrefix(s, branchPrefix)
	if !ok || len(s) > MaxText {
		return nil, ErrBranch
	}
	if list == "" {
		return nil, nil
	}
	children := strings.Split(list, ",")
	for _, h := range children {
		if !checkHash(h) {
			return nil, ErrBranch
		}
	}
	return children, nil
}

// subtree is one of the two parts of a tree. Each part allows one kind of leaf.
type subtree uint8

const (
	recordsSubtree subtree = iota
	linksSubtree
)

// entry is an entry below a root: a record, a link, or otherwise a branch.
type entry struct {
	record   *enr.Record
	link     *Link
	children []string
}

// parseEntry parses an entry of the given subtree, and verifies a record.
func parseEntry(s string, in subtree) (e entry, err error) {
	switch {
	case len(s) > MaxText:
		return e, ErrTooLong
	case strings.HasPrefix(s, branchPrefix):
		e.children, err = ParseBranch(s)
	case strings.HasPrefix(s, LinkPrefix):
		if in != linksSubtree {
			return e, ErrMisplaced
		}
		var l Link
		l, err = ParseLink(s)
		e.link = &l
	case strings.HasPrefix(s, recordPrefix):
		if in != recordsSubtree {
			return e, ErrMisplaced
		}
		e.record, err = enr.ParseText(s)
	default:
		err = ErrEntry
	}
	return e, err
}
