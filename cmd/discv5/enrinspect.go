package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newEnrInspect(t *tool) *cobra.Command {
	return &cobra.Command{
		Use: "inspect [RECORD...]", Short: "Show all fields of records and check their signatures",
		Long: `Show all fields of records and check their signatures.

A RECORD is text (with or without enr:), hexadecimal digits or base64, @FILE that holds
one or several of them or is a nodes.json of crawl, or - for standard input, which is also
the default. A file may also hold the bytes of one record. Exit code 1: a signature is not
valid.`,
		Args: arguments(0, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"-"}
			}
			var bad error
			shown := 0
			for i, a := range args {
				err := t.nodes(a, "record", func(l listed, _ bool) error {
					v, err := parseView(l.text)
					if err != nil {
						return l.in(err)
					}
					r := full(v)
					if !*r.Valid && bad == nil {
						bad = place(argument(i), l.in(errors.New(r.Signature)))
					}
					text := r.text()
					if shown++; shown > 1 {
						text = "\n" + text
					}
					t.print(r, text)
					return t.failed()
				})
				if err != nil {
					return place(argument(i), err)
				}
			}
			return bad
		},
	}
}
