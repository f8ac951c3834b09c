package dnsdisc

import (
	"strings"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// LinkPrefix begins the URL of a tree.
const LinkPrefix = "enrtree://"

// maxKeySize is the longest thing that is written in base32: a compressed public key.
const maxKeySize = curve.PublicKeySize

// maxDomain is the longest name in DNS, in characters and without the last dot (RFC 1035, 2.3.4).
const maxDomain = 253

// Link names a tree and holds the key that its root is signed with (dnsdisc.md, URL Scheme):
//
//	enrtree://<compressed public key, 33 bytes in base32>@<fully qualified domain name>
type Link struct {
	PublicKey [enr.PublicKeySize]byte
	// Domain is the name as it was written. Upper and lower case mean the same; there is no dot at
	// the end.
	Domain string
}

// LinkOf is the link of a tree at domain that is signed with key. ErrDomain: domain is not a DNS
// name.
func LinkOf(key *enr.PrivateKey, domain string) (Link, error) {
	if !isDomain(domain) {
		return Link{}, ErrDomain
	}
	return Link{key.PublicKey(), domain}, nil
}

// ParseLink reads the URL of a tree. ErrLink: s has another form. ErrPublicKey: its key is not a
// point on the curve. ErrDomain: what follows the key is not a DNS name.
func ParseLink(s string) (Link, error) {
	rest, ok := strings.CutPrefix(s, LinkPrefix)
	key, domain, ok2 := strings.Cut(rest, "@")
	if !ok || !ok2 {
		return Link{}, ErrLink
	}
	b, ok := decodeBase32(key)
	if !ok || len(b) != curve.PublicKeySize {
		return Link{}, ErrLink
	}
	l := Link{[curve.PublicKeySize]byte(b), domain}
	if _, err := curve.Default().Decompress(&l.PublicKey); err != nil {
		return Link{}, ErrPublicKey
	}
	if !isDomain(domain) {
		return Link{}, ErrDomain
	}
	return l, nil
}

// String is the URL.
func (l Link) String() string {
	return LinkPrefix + base32Encoding.EncodeToString(l.PublicKey[:]) + "@" + l.Domain
}

// MarshalText returns the URL. The error is always nil.
func (l Link) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what ParseLink reads. On error l is unchanged.
func (l *Link) UnmarshalText(text []byte) error {
	parsed, err := ParseLink(string(text))
	if err == nil {
		*l = parsed
	}
	return err
}

// same is l in the form in which links to one tree are equal.
func (l Link) same() Link {
	l.Domain = strings.ToLower(l.Domain)
	return l
}

// isDomain reports whether s is a DNS name by length and alphabet: labels of letters, digits, - and
// _ between dots.
func isDomain(s string) bool {
	if len(s) > maxDomain {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}
