package dnsdisc

import (
	"context"
	"fmt"
	"strings"
)

// maxTexts is the largest number of texts examined at one name. A domain has other TXT records too.
const maxTexts = 32

// fetch reads the text of a task: it resolves the name, selects a text and verifies it.
func (c *Client) fetch(ctx context.Context, t task, limits Limits) result {
	r := result{task: t}
	if r.err = c.wait(ctx, limits.Rate); r.err != nil {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, limits.Timeout)
	defer cancel()
	// The dot keeps resolvers from trying the name below the domains of a search list.
	texts, err := c.resolver().LookupTXT(ctx, t.name()+".")
	if err != nil {
		r.err = err
		return r
	}
	texts = texts[:min(len(texts), maxTexts)]
	if t.hash == "" {
		seq, _ := c.Seq(t.tree.link)
		r.root, r.text, r.err = chooseRoot(texts, &t.tree.link, seq)
	} else {
		r.entry, r.text, r.err = chooseEntry(texts, t.hash, t.in)
	}
	r.text = r.text[:min(len(r.text), MaxText)]
	return r
}

// chooseRoot returns the root with the highest sequence number among those with a valid signature.
// There may be two while a tree is being replaced. On error, it returns the text that caused it.
func chooseRoot(texts []string, link *Link, least uint64) (best *Root, text string, err error) {
	err = ErrNoRoot
	for _, s := range texts {
		if !strings.HasPrefix(s, rootPrefix) {
			continue
		}
		r, e := ParseRoot(s)
		if e == nil {
			e = r.Verify(&link.PublicKey)
		}
		switch {
		case e == nil && (best == nil || r.Seq > best.Seq):
			best, text, err = &r, s, nil
		case e != nil && err == ErrNoRoot:
			text, err = s, e
		}
	}
	if best != nil && best.Seq < least {
		return nil, text, fmt.Errorf("%w: %d after %d", ErrSeq, best.Seq, least)
	}
	return best, text, err
}

// chooseEntry returns the text with the hash. On error, it returns the text that caused it.
func chooseEntry(texts []string, hash string, in subtree) (e entry, text string, err error) {
	err = ErrNoEntry
	for _, s := range texts {
		switch {
		case len(s) > MaxText:
			text, err = s, ErrTooLong
		case hasHash(s, hash):
			e, err = parseEntry(s, in)
			return e, s, err
		case err == ErrNoEntry && isEntry(s):
			text, err = s, ErrHash
		}
	}
	return e, text, err
}

// isEntry tells an entry from other texts.
func isEntry(s string) bool {
	return strings.HasPrefix(s, branchPrefix) || strings.HasPrefix(s, LinkPrefix) || strings.HasPrefix(s, recordPrefix)
}
