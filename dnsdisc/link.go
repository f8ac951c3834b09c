package dnsdisc

import (
	"strings"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// LinkPrefix is the prefix of a tree's URL.
const LinkPrefix = "enrtree://"

// maxKeySize is the size of the longest value in base32: a compressed public key.
const maxKeySize = curve.PublicKeySize

// maxDomain is the length of the longest DNS name, without the last dot (RFC 1035, 2.3.4).
const maxDomain = 253

// Link identifies a tree by domain and public key (dnsdisc.md, URL Scheme):
//
//	enrtree://<compressed public key, 33 bytes in base32>@<fully qualified domain name>
type Link struct {
	PublicKey [enr.PublicKeySize]byte
	// Domain is the name as written, without a dot at the end. Case does not matter.
	Domain string
}

// LinkOf returns the link of a tree at domain that key signs. ErrDomain: domain is not a DNS name.
func LinkOf(key *enr.PrivateKey, domain string) (Link, error) {
	if !isDomain(domain) {
		return Link{}, ErrDomain
	}
	return Link{key.PublicKey(), domain}, nil
}

// ParseLink parses the URL of a tree. ErrLink: s has another form. ErrPublicKey: the key is not a
// point on the curve. ErrDomain: the text after the key is not a DNS name.
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

// String returns the URL.
func (l Link) String() string {
	return LinkPrefix + base32Encoding.EncodeToString(l.PublicKey[:]) + "@" + l.Domain
}

// MarshalText returns the URL. The error is always nil.
func (l Link) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText parses the form of ParseLink. On error l is unchanged.
func (l *Link) UnmarshalText(text []byte) error {
	parsed, err := ParseLink(string(text))
	if err == nil {
		*l = parsed
	}
	return err
}

// same returns l in a form that is equal for all links to one tree.
func (l Link) same() Link {
	l.Domain = strings.ToLower(l.Domain)
	return l
}

// isDomain reports whether s has the length and alphabet of a DNS name: labels of letters, digits,
// - and _ between dots.
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
