package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastdisc/discv5"
)

// joinPoll is how often the table is looked at while a bootnode's record is on its way into it.
const joinPoll = 10 * time.Millisecond

// join has the bootnodes answer, which brings them into the node's table, where lookups begin. One
// is enough.
func (n *network) join(ctx context.Context, node *discv5.Node) error {
	errs := make(chan error, len(n.boot))
	for _, b := range n.boot {
		go func() {
			var err error
			if b.contact.Record() == nil {
				_, err = node.RequestENR(ctx, b.contact)
			} else {
				_, err = node.Ping(ctx, b.contact)
			}
			errs <- err
		}()
	}
	last := errors.New("--bootnodes is missing")
	answered := false
	for range n.boot {
		if err := <-errs; err == nil {
			answered = true
		} else {
			last = err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !answered {
		return fmt.Errorf("no bootnode answers: %w", last)
	}
	// The node itself fetches the record of a bootnode that was given without one.
	wait, cancel := context.WithTimeout(ctx, 2*time.Duration(n.timeout))
	defer cancel()
	for node.NodeTable().Len() == 0 {
		select {
		case <-wait.Done():
			return errors.New("a bootnode answers, but not from the address that its record has")
		case <-time.After(joinPoll):
		}
	}
	return nil
}
