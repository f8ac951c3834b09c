package dnsdisc

import (
	"context"
	"iter"
	"net"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Resolver looks up TXT records. A *net.Resolver is one.
type Resolver interface {
	// LookupTXT returns the texts at a name, which is fully qualified and ends with a dot. The
	// strings of one TXT record are one text. It returns soon after its context is done.
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Client reads trees. Its fields may not be changed once it is in use, and it may not be copied.
// Its methods may be called from several goroutines.
type Client struct {
	// Resolver makes the look-ups; default net.DefaultResolver.
	Resolver Resolver
	// Limits bound what a walk may take.
	Limits Limits

	mu   sync.Mutex
	seqs map[Link]uint64
	next time.Time // when the next request may start
}

// Limits bound what a walk may take, whatever it meets. Zero values give the defaults that are
// named.
type Limits struct {
	// Records is after how many records a walk ends; default no limit. A node that looks for its
	// first peers needs few, and the entries of a tree are read in random order.
	Records int
	// Entries is how many entries are read of one tree; default 8192.
	Entries int
	// Depth is how many branches may be above an entry; default 12.
	Depth int
	// Trees is how many trees are read, the first one included; default 16.
	Trees int
	// LinkDepth is how many links may lead from the first tree to another one after each other;
	// default 4. Negative: links are not followed.
	LinkDepth int
	// Requests is how many DNS requests are made; default 16384.
	Requests int
	// Concurrency is how many requests are under way at a time; default 8.
	Concurrency int
	// Rate is how many requests the client starts in a second, in all of its walks together;
	// default 64. Negative: any number.
	Rate float64
	// Timeout is how long one request may take; default 10 s. The time of a whole walk is bounded
	// by its context.
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

// Found is something that a walk has found and verified: a root, a record or a link. One of the
// three pointers is set.
type Found struct {
	Tree   Link   // the tree that it belongs to
	Name   string // DNS name at which it stands
	Root   *Root
	Record *enr.Record
	Link   *Link
}

// Walk reads the tree at url and those that it links to, and yields what it finds, in no particular
// order. With each bad entry, and each good one that is left out because of a limit, it yields an
// error, which is an *Error, and goes on. When the context is done, the last error says so. An url
// that cannot be read is the only error, as ParseLink returns it.
//
// A record that several entries have is yielded for each of them.
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

// Resolve reads the tree at url and those that it links to, and returns the newest record of each
// node. What could not be used is left out, and the error tells of it: it is an *Errors, or that of
// ParseLink if url cannot be read. Records may come with an error.
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

// maxSeqs bounds the trees whose sequence number is remembered. A client meets more only if it is
// used for hundreds of trees.
const maxSeqs = 4096

// Seq is the highest sequence number of a tree that the client has seen or was told.
func (c *Client) Seq(tree Link) (seq uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seq, ok = c.seqs[tree.same()]
	return seq, ok
}

// Remember tells the client a sequence number that was seen before, for example by an earlier run
// of the program. A root with a lower one is not used. A number below the one that is remembered
// changes nothing.
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

// wait waits until the rate lets the next request start. No rate is so low that it takes more than
// an hour.
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
