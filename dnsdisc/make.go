package dnsdisc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/fastdisc/discv5/enr"
)

// maxChildren is the number of hashes in a branch that Make creates. With 13 its text has 365 bytes
// and fits into a DNS packet of 512 bytes below a domain of up to 80 characters.
const maxChildren = 13

// Make creates and signs a tree of records and links. It returns the text of each name below the
// tree's domain; the root has the empty name. The result does not depend on the order of records
// and links.
//
// Make uses the newest of several records of one node. seq must be higher than that of the tree to
// be replaced. ErrDomain: the domain of a link is not a DNS name. ErrPublicKey: its key is not a
// point on the curve.
func Make(records []*enr.Record, links []Link, key *enr.PrivateKey, seq uint64) (map[string]string, error) {
	m := maker{}
	var root Root
	root.Records = m.build(recordTexts(records))
	texts, err := linkTexts(links)
	if err != nil {
		return nil, err
	}
	root.Links = m.build(texts)
	root.Seq = seq
	if err := root.sign(key); err != nil {
		return nil, fmt.Errorf("dnsdisc: sign root: %w", err)
	}
	m[""] = root.String()
	return m, nil
}

// recordTexts returns the texts of the newest record of each node, by node ID.
func recordTexts(records []*enr.Record) (texts []string) {
	sorted := slices.Clone(records)
	slices.SortFunc(sorted, func(a, b *enr.Record) int {
		x, y := a.ID(), b.ID()
		if c := bytes.Compare(x[:], y[:]); c != 0 {
			return c
		}
		if a.Seq() != b.Seq() { // newest first
			if a.Seq() > b.Seq() {
				return -1
			}
			return 1
		}
		return bytes.Compare(a.Bytes(), b.Bytes())
	})
	for i, r := range sorted {
		if i == 0 || r.ID() != sorted[i-1].ID() {
			texts = append(texts, r.String())
		}
	}
	return texts
}

func linkTexts(links []Link) (texts []string, err error) {
	for i, l := range links {
		s := l.String()
		if _, err := ParseLink(s); err != nil {
			return nil, fmt.Errorf("dnsdisc: link %d: %w", i+1, err)
		}
		texts = append(texts, s)
	}
	slices.SortFunc(texts, strings.Compare)
	return slices.Compact(texts), nil
}

// maker collects the texts of a tree by name.
type maker map[string]string

// build adds entries and the branches above them, and returns the hash of the top. Without entries
// the top is an empty branch.
func (m maker) build(texts []string) string {
	hashes := make([]string, len(texts))
	for i, s := range texts {
		hashes[i] = m.add(s)
	}
	if len(hashes) == 0 {
		return m.add(branchPrefix)
	}
	for len(hashes) > 1 {
		var above []string
		for group := range slices.Chunk(hashes, maxChildren) {
			if len(group) == 1 { // a single one moves up a level
				above = append(above, group[0])
				continue
			}
			above = append(above, m.add(branchPrefix+strings.Join(group, ",")))
		}
		hashes = above
	}
	return hashes[0]
}

func (m maker) add(text string) string {
	h := HashOf(text)
	m[h] = text
	return h
}
