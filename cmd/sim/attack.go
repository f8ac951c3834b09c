package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/fastdisc/discv5/internal/eclipse"
)

// attackPrefixes are the numbers of /24s of the attackers that --attack simulates, and attackSettle
// is for how long it simulates the network: 0 for the default of package eclipse.
var (
	attackPrefixes = []int{1, 16, 64, 256}
	attackSettle   time.Duration
)

// cell is one run of an attack.
type cell struct {
	Order    string
	Prefixes int
	Rules    string
	eclipse.Result

	cfg  eclipse.Config
	err  error
	done chan struct{}
}

// cells lists the attacks to simulate: none at all, then each order with each number of prefixes,
// under both rules.
func cells(o *options) (list []*cell) {
	add := func(order eclipse.Order, name string, prefixes int) {
		for _, r := range []eclipse.Rules{eclipse.Ours, eclipse.Geth} {
			list = append(list, &cell{
				Order: name, Prefixes: prefixes, Rules: r.String(), done: make(chan struct{}),
				cfg: eclipse.Config{Rules: r, Prefixes: prefixes, Order: order, Nodes: o.attackNodes, Settle: attackSettle, Seed: o.seed},
			})
		}
	}
	add(eclipse.With, "none", 0)
	for _, order := range []eclipse.Order{eclipse.Before, eclipse.With, eclipse.After} {
		for _, k := range attackPrefixes {
			add(order, order.String(), k)
		}
	}
	return list
}

// attack simulates attackers on node tables, as many at a time as there are processors, and writes
// a table of the results.
func attack(ctx context.Context, o *options, out io.Writer) error {
	list := cells(o)
	next := make(chan *cell)
	go func() {
		defer close(next)
		for _, c := range list {
			next <- c
		}
	}()
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for c := range next {
				c.Result, c.err = eclipse.Run(ctx, c.cfg)
				close(c.done)
			}
		}()
	}
	lines := out
	if o.json == "-" {
		lines = io.Discard
	}
	fmt.Fprintln(lines, attackHead)
	var err error
	for _, c := range list {
		if <-c.done; c.err != nil {
			err = fmt.Errorf("stopped: %w", c.err)
			continue
		}
		fmt.Fprintln(lines, c)
	}
	if err != nil || o.json == "" {
		return err
	}
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	b = append(b, '\n')
	if o.json == "-" {
		_, err = out.Write(b)
	} else {
		err = os.WriteFile(o.json, b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

const attackHead = "| attacker comes | /24s | rules | members | hostile in tables | relayed | found | lookups eclipsed | late nodes refused | known by |\n" +
	"|---|---|---|---|---|---|---|---|---|---|"

// String is a line of the table.
func (c *cell) String() string {
	return fmt.Sprintf("| %s | %d | %s | %.0f | %.0f %% | %.0f %% | %.0f %% | %.0f %% | %.0f %% | %.1f |", c.Order, c.Prefixes, c.Rules,
		c.Members, 100*c.Table, 100*c.Relayed, 100*c.Found, 100*c.Eclipsed, 100*c.Refused, c.Known)
}
