package dnsdisc

import (
	"context"
	"math/rand/v2"
)

// walk is the state of one Walk. It belongs to the goroutine that ranges over the walk. Requests
// run in other goroutines, which return a result.
//
//	queues of trees --pick--> task --fetch, in a goroutine--> result --take--> Found or Error
//	     ^                                                       |
//	     +--------------------- children, links -----------------+
type walk struct {
	client *Client
	limits Limits
	yield  func(Found, error) bool

	trees    []*tree
	known    map[Link]bool // trees, to detect cycles of links
	running  int
	requests int
	records  int
	results  chan result
	ended    bool // the loop has ended
}

// tree is the state of one tree.
type tree struct {
	link  Link
	links int // consecutive links that lead to it
	// queue holds unpicked tasks, in no order.
	queue []task
	seen  map[seenEntry]bool
	full  bool // ErrEntries has been reported
}

// seenEntry identifies an entry of a subtree, for any length of its hash.
type seenEntry struct {
	in   subtree
	hash string
}

// task is one text to read.
type task struct {
	tree  *tree
	in    subtree
	hash  string // empty for the root
	depth int    // branches above it
}

// name is the DNS name of the text, without the last dot.
func (t *task) name() string {
	if t.hash == "" {
		return t.tree.link.Domain
	}
	return t.hash + "." + t.tree.link.Domain
}

// result is the result of a task: an error, a root or an entry.
type result struct {
	task  task
	text  string
	root  *Root
	entry entry
	err   error
}

func newWalk(c *Client, yield func(Found, error) bool) *walk {
	w := &walk{client: c, limits: c.Limits.withDefaults(), yield: yield, known: make(map[Link]bool)}
	w.results = make(chan result, w.limits.Concurrency)
	return w
}

func (w *walk) run(ctx context.Context, first Link) {
	requests, cancel := context.WithCancel(ctx)
	defer cancel()
	w.addTree(first, 0)
	for !w.ended {
		for w.running < w.limits.Concurrency && w.requests < w.limits.Requests {
			t, ok := w.pick()
			if !ok {
				break
			}
			w.requests++
			w.running++
			// The channel has room for the result, so the goroutine ends even if nobody waits for
			// it.
			go func() { w.results <- w.client.fetch(requests, t, w.limits) }()
		}
		if w.running == 0 {
			break
		}
		select {
		case r := <-w.results:
			w.running--
			if r.err == nil || ctx.Err() == nil {
				w.take(r)
				continue
			}
		case <-ctx.Done():
		}
		w.fail(&Error{Tree: first, Name: first.Domain, Err: ctx.Err()})
		return
	}
	if t, ok := w.pick(); ok && !w.ended {
		w.fail(&Error{Tree: t.tree.link, Name: t.name(), Err: ErrRequests})
	}
}

// pick removes a random task of a random tree, so that no tree holds up the others (dnsdisc.md,
// Client Protocol).
func (w *walk) pick() (task, bool) {
	n := len(w.trees)
	first := rand.IntN(n)
	for i := range n {
		q := &w.trees[(first+i)%n].queue
		if last := len(*q) - 1; last >= 0 {
			k := rand.IntN(last + 1)
			t := (*q)[k]
			(*q)[k] = (*q)[last]
			*q = (*q)[:last]
			return t, true
		}
	}
	return task{}, false
}

// take processes a result.
func (w *walk) take(r result) {
	t := r.task
	found := Found{Tree: t.tree.link, Name: t.name()}
	fail := func(err error) {
		w.fail(&Error{Tree: found.Tree, Name: found.Name, Text: r.text, Err: err})
	}
	switch e := r.entry; {
	case r.err != nil:
		fail(r.err)
	case r.root != nil:
		w.client.Remember(t.tree.link, r.root.Seq)
		found.Root = r.root
		w.found(found)
		w.push(task{tree: t.tree, in: recordsSubtree, hash: r.root.Records}, fail)
		w.push(task{tree: t.tree, in: linksSubtree, hash: r.root.Links}, fail)
	case e.record != nil:
		found.Record = e.record
		w.found(found)
		w.records++
		w.ended = w.ended || w.records == w.limits.Records
	case e.link != nil:
		found.Link = e.link
		w.found(found)
		w.follow(*e.link, t.tree.links+1, fail)
	case t.depth == w.limits.Depth && len(e.children) > 0:
		fail(ErrDepth)
	default:
		for _, h := range e.children {
			w.push(task{t.tree, t.in, h, t.depth + 1}, fail)
		}
	}
}

// push queues an entry, unless it was queued before: several branches may list an entry.
func (w *walk) push(t task, fail func(error)) {
	key := seenEntry{t.in, t.hash[:sameHash]}
	switch tree := t.tree; {
	case tree.seen[key]:
	case len(tree.seen) < w.limits.Entries:
		tree.seen[key] = true
		tree.queue = append(tree.queue, t)
	case !tree.full:
		tree.full = true
		fail(ErrEntries)
	}
}

// follow adds the tree of a link.
func (w *walk) follow(l Link, links int, fail func(error)) {
	switch {
	case w.limits.LinkDepth < 0 || w.known[l.same()]:
	case links > w.limits.LinkDepth:
		fail(ErrLinkDepth)
	case len(w.trees) == w.limits.Trees:
		fail(ErrTrees)
	default:
		w.addTree(l, links)
	}
}

func (w *walk) addTree(l Link, links int) {
	w.known[l.same()] = true
	t := &tree{link: l, links: links, seen: make(map[seenEntry]bool)}
	t.queue = []task{{tree: t}}
	w.trees = append(w.trees, t)
}

func (w *walk) found(f Found) {
	w.ended = w.ended || !w.yield(f, nil)
}

func (w *walk) fail(e *Error) {
	if !w.ended {
		w.ended = !w.yield(Found{}, e)
	}
}
