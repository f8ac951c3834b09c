package dnsdisc

import (
	"context"
	"iter"
	"net"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Resolver resolves TXT records. A *net.Resolver implements it.
type Resolver interface {
	// LookupTXT returns the texts at a fully qualified name that ends with a dot. The strings of
	// one TXT record form one text. LookupTXT must return soon after ctx is done.
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Client reads trees. Do not change its fields after first use, and do not copy it. Its methods are
// safe for concurrent use.
type Client struct {
	// Resolver resolves names; default net.DefaultResolver.
	Resolver Resolver
	// Limits bound the cost of a walk.
	Limits Limits

	mu   sync.Mutex
	seqs map[Link]uint64
	next time.Time // earliest time of the next request
}

// Limits bound the cost of a walk, whatever the trees contain. Zero values mean the defaults.
type Limits struct {
	// Records is the number of records after which a walk ends; default no limit. A node that needs
	// its first peers needs few records, and the entries of a tree are read in random order.
	Records int
	// Entries is the largest number of entries that are read per tree; default 8192.
	Entries int
	// Depth is the largest number of branches above an entry; default 12.
	Depth int
	// Trees is the largest number of trees, including the first one; default 16.
	Trees int
	// LinkDepth is the largest number of consecutive links from the first tree; default 4. A
	// negative value means that links are not followed.
	LinkDepth int
	// Requests is the largest number of DNS requests; default 16384.
	Requests int
	// Concurrency is the largest number of concurrent requests; default 8.
	Concurrency int
	// Rate is the number of requests per second that the client starts, over all its walks; default
	// 64. A negative value means no limit.
	Rate float64
	// Timeout is the time limit of a request; default 10 s. The context bounds the time of the
	// whole walk.
	Timeout time.Duration
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		v   *int
		def int
	}{{&l.Entries, 8192}, {&l.Depth, 12}, {&l.Trees, 16}, {&l.Requests, 16384}, {&l.Concurrency, 8}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if l.LinkDepth == 0 {
		l.LinkDepth = 4
	}
	if l.Rate == 0 {
		l.Rate = 64
	}
	if l.Timeout <= 0 {
		l.Timeout = 10 * time.Second
	}
	return l
}

// Found is a verified root, record or link. One of the three pointers is set.
type Found struct {
	Tree   Link   // the tree that contains it
	Name   string // its DNS name
	Root   *Root
	Record *enr.Record
	Link   *Link
}

// Walk reads the tree at url and the trees that it links to, and yields their content in no
// particular order. For each bad entry, and for each entry that a limit excludes, it yields an
// *Error and continues. When ctx is done, the last error says so. If url is invalid, the only error
// is that of ParseLink.
//
// Walk yields a record once for each entry that holds it.
func (c *Client) Walk(ctx context.Context, url string) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		link, err := ParseLink(url)
		if err != nil {
			yield(Found{}, err)
			return
		}
		newWalk(c, yield).run(ctx, link)
	}
}

// Resolve reads the tree at url and the trees that it links to, and returns the newest record of
// each node. It leaves out unusable entries and reports them in an *Errors. If url is invalid, it
// returns the error of ParseLink. Resolve may return records together with an error.
func (c *Client) Resolve(ctx context.Context, url string) ([]*enr.Record, error) {
	if _, err := ParseLink(url); err != nil {
		return nil, err
	}
	var list []*enr.Record
	var errs Errors
	at := make(map[enr.ID]int)
	for f, err := range c.Walk(ctx, url) {
		if err != nil {
			errs.add(err.(*Error))
			continue
		}
		if f.Record == nil {
			continue
		}
		id := f.Record.ID()
		i, ok := at[id]
		switch {
		case !ok:
			at[id] = len(list)
			list = append(list, f.Record)
		case f.Record.Seq() > list[i].Seq():
			list[i] = f.Record
		}
	}
	if len(errs.List) > 0 {
		return list, &errs
	}
	return list, nil
}

// maxSeqs bounds the number of trees whose sequence number is kept. Only a client for hundreds of
// trees needs more.
const maxSeqs = 4096

// Seq returns the highest sequence number of a tree that the client has seen or was given.
func (c *Client) Seq(tree Link) (seq uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seq, ok = c.seqs[tree.same()]
	return seq, ok
}

// Remember gives the client a known sequence number, for example of an earlier run of the program.
// The client then ignores roots with lower ones. Remember does nothing if the client knows a higher
// number.
func (c *Client) Remember(tree Link, seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tree = tree.same()
	old, ok := c.seqs[tree]
	if seq < old || !ok && len(c.seqs) == maxSeqs {
		return
	}
	if c.seqs == nil {
		c.seqs = make(map[Link]uint64)
	}
	c.seqs[tree] = seq
}

func (c *Client) resolver() Resolver {
	if c.Resolver == nil {
		return net.DefaultResolver
	}
	return c.Resolver
}

// wait waits until the rate allows the next request, at most an hour.
func (c *Client) wait(ctx context.Context, rate float64) error {
	if rate < 0 {
		return ctx.Err()
	}
	c.mu.Lock()
	now := time.Now()
	at := c.next
	if at.Before(now) {
		at = now
	}
	c.next = at.Add(time.Duration(min(float64(time.Second)/rate, float64(time.Hour))))
	c.mu.Unlock()
	pause := time.NewTimer(at.Sub(now))
	defer pause.Stop()
	select {
	case <-pause.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
