package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/internal/quote"
)

const (
	// maxPublished bounds the texts of the published list that an update replaces.
	maxPublished = 1 << 17
	// updateSize bounds the records of an update message, in bytes: a message over TCP has at most
	// 65,535.
	updateSize = 48 << 10
	// tsigFudge is the difference of clocks that a signature allows, in seconds (RFC 8945).
	tsigFudge = 300
)

// updater changes a zone of a name server by RFC 2136.
type updater struct {
	server, zone, domain string
	timeout              time.Duration
	tsig                 *tsigKey // nil: unsigned
}

// tsigKey is a key of RFC 8945.
type tsigKey struct{ name, algorithm, secret string }

var tsigAlgorithms = map[string]string{
	"hmac-sha1": dns.HmacSHA1, "hmac-sha224": dns.HmacSHA224, "hmac-sha256": dns.HmacSHA256,
	"hmac-sha384": dns.HmacSHA384, "hmac-sha512": dns.HmacSHA512,
}

// Forms of a key in a file: of BIND (tsig-keygen) and of Knot (keymgr -t).
var (
	bindName   = regexp.MustCompile(`\bkey\s+"?([^\s"{]+)"?\s*\{`)
	bindFields = regexp.MustCompile(`\b(algorithm|secret)\s+"?([^\s";]+)"?\s*;`)
	knotFields = regexp.MustCompile(`(?m)^\s*-?\s*(id|algorithm|secret):\s*"?([^\s"#]+)"?`)
)

var errTSIG = errors.New("not a TSIG key: want ALGORITHM:NAME:SECRET, or a key statement of BIND or Knot")

// readTSIG reads a file with a key.
func readTSIG(path string) (*tsigKey, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(string(b))
	var k tsigKey
	if parts := strings.Split(text, ":"); len(parts) == 3 && !strings.ContainsAny(text, " \n{") {
		k = tsigKey{parts[1], parts[0], parts[2]}
	} else if m := bindName.FindStringSubmatch(text); m != nil {
		k.name = m[1]
		for _, f := range bindFields.FindAllStringSubmatch(text, -1) {
			k.set(f[1], f[2])
		}
	} else {
		for _, f := range knotFields.FindAllStringSubmatch(text, -1) {
			k.set(f[1], f[2])
		}
	}
	algorithm, ok := tsigAlgorithms[strings.ToLower(strings.TrimSuffix(k.algorithm, "."))]
	_, name := dns.IsDomainName(k.name)
	secret, err := base64.StdEncoding.DecodeString(k.secret)
	if !ok || !name || k.name == "" || err != nil || len(secret) == 0 {
		return nil, fmt.Errorf("%s: %w", path, errTSIG)
	}
	k.name, k.algorithm = dns.CanonicalName(k.name), algorithm
	return &k, nil
}

func (k *tsigKey) set(field, value string) {
	switch field {
	case "id":
		k.name = value
	case "algorithm":
		k.algorithm = value
	case "secret":
		k.secret = value
	}
}

// exchange sends a message over TCP and returns the answer.
func (u *updater) exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	c := &dns.Client{Net: "tcp", Timeout: u.timeout}
	if u.tsig != nil {
		c.TsigSecret = map[string]string{u.tsig.name: u.tsig.secret}
		m.SetTsig(u.tsig.name, u.tsig.algorithm, tsigFudge, time.Now().Unix())
	}
	answer, _, err := c.ExchangeContext(ctx, m, u.server)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if answer != nil && answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("name server %s: %w", u.server, rcodeError(answer))
	}
	if err != nil {
		return nil, fmt.Errorf("name server %s: %w", u.server, err)
	}
	return answer, nil
}

// rcodeError is the refusal of a server.
func rcodeError(answer *dns.Msg) error {
	text := dns.RcodeToString[answer.Rcode]
	switch answer.Rcode {
	case dns.RcodeRefused, dns.RcodeNotAuth:
		text += ": it does not allow this, or does not know the TSIG key"
		if t := answer.IsTsig(); t != nil && t.Error != 0 {
			text += " (" + dns.RcodeToString[int(t.Error)] + ")"
		}
	case dns.RcodeNXRrset, dns.RcodeYXRrset:
		text += ": somebody else has changed the list; run the command once more"
	case dns.RcodeNotZone:
		text += ": the name is not in the zone; see --zone"
	}
	return errors.New(text)
}

// texts returns the TXT records of a name.
func (u *updater) texts(ctx context.Context, name string) (list []string, err error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	m.RecursionDesired = false
	answer, err := u.exchange(ctx, m)
	if err != nil {
		return nil, err
	}
	if !answer.Authoritative {
		return nil, fmt.Errorf("name server %s is not authoritative for %s", u.server, quote.Short(name))
	}
	for _, rr := range answer.Answer {
		if t, ok := rr.(*dns.TXT); ok && strings.EqualFold(t.Hdr.Name, dns.Fqdn(name)) {
			list = append(list, strings.Join(t.Txt, ""))
		}
	}
	return list, nil
}

const branchPrefix = "enrtree-branch:"

// collect adds the entries below a root to a map. An entry that is missing is left out.
func (u *updater) collect(ctx context.Context, root dnsdisc.Root, to map[string]string) error {
	queue := []string{root.Records, root.Links}
	for len(queue) > 0 {
		label := queue[0]
		queue = queue[1:]
		if _, seen := to[label]; seen {
			continue
		}
		texts, err := u.texts(ctx, textName(label, u.domain))
		if err != nil {
			return err
		}
		if len(texts) == 0 {
			continue
		}
		if len(to) == maxPublished {
			return fmt.Errorf("the published list has more than %d texts", maxPublished)
		}
		to[label] = strings.Join(texts, "")
		if hashes, ok := strings.CutPrefix(to[label], branchPrefix); ok && hashes != "" {
			queue = append(queue, strings.Split(hashes, ",")...)
		}
	}
	return nil
}

// rr returns a TXT record.
func (u *updater) rr(label, text string) *dns.TXT {
	d := textOf(label, u.domain, text)
	t := &dns.TXT{Hdr: dns.RR_Header{Name: dns.Fqdn(d.Name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: uint32(d.TTL)}}
	for len(text) > 255 {
		t.Txt, text = append(t.Txt, text[:255]), text[255:]
	}
	t.Txt = append(t.Txt, text)
	return t
}

// apply adds entries, replaces the root, and removes entries, in this order: readers find all
// entries of the root that they see.
func (u *updater) apply(ctx context.Context, oldRoots []string, tree map[string]string, add, remove []string) error {
	err := u.batches(ctx, add, func(m *dns.Msg, label string) {
		rr := u.rr(label, tree[label])
		m.RemoveRRset([]dns.RR{rr})
		m.Insert([]dns.RR{rr})
	})
	if err != nil {
		return fmt.Errorf("adding entries: %w", err)
	}
	m := new(dns.Msg).SetUpdate(u.zone)
	root := u.rr("", tree[""])
	if len(oldRoots) == 0 {
		m.RRsetNotUsed([]dns.RR{root})
	} else {
		var old []dns.RR
		for _, text := range oldRoots {
			rr := u.rr("", text)
			rr.Hdr.Ttl = 0
			old = append(old, rr)
		}
		m.Used(old)
	}
	m.RemoveRRset([]dns.RR{root})
	m.Insert([]dns.RR{root})
	if err := u.update(ctx, m); err != nil {
		return fmt.Errorf("replacing the root: %w", err)
	}
	err = u.batches(ctx, remove, func(m *dns.Msg, label string) {
		m.RemoveRRset([]dns.RR{u.rr(label, "")})
	})
	if err != nil {
		return fmt.Errorf("removing old entries: %w", err)
	}
	return nil
}

// batches sends updates with as many labels as fit each.
func (u *updater) batches(ctx context.Context, labels []string, put func(*dns.Msg, string)) error {
	m, size := new(dns.Msg).SetUpdate(u.zone), 0
	for i, label := range labels {
		before := len(m.Ns)
		put(m, label)
		for _, rr := range m.Ns[before:] {
			size += dns.Len(rr)
		}
		if i+1 < len(labels) && size < updateSize {
			continue
		}
		if err := u.update(ctx, m); err != nil {
			return err
		}
		m, size = new(dns.Msg).SetUpdate(u.zone), 0
	}
	return nil
}

// update sends an update.
func (u *updater) update(ctx context.Context, m *dns.Msg) error {
	answer, err := u.exchange(ctx, m)
	if err == nil && answer.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("name server %s: %w", u.server, rcodeError(answer))
	}
	return err
}
