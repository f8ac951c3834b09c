package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newEnrInspect(t *tool) *cobra.Command {
	return &cobra.Command{
		Use: "inspect [RECORD...]", Short: "Show all fields of records and check their signatures",
		Long: `Show all fields of records and check their signatures.

A RECORD is text (with or without enr:), hexadecimal digits or base64, @FILE that holds
one or several of them, or - for standard input, which is also the default. A file may
also hold the bytes of one record. Exit code 1: a signature is not valid.`,
		Args: arguments(0, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"-"}
			}
			var bad error
			shown := 0
			for i, a := range args {
				texts, err := t.recordTexts(a)
				if err != nil {
					return place(argument(i), err)
				}
				for k, s := range texts {
					v, err := parseView(s)
					if err != nil {
						if len(texts) > 1 {
							err = place(fmt.Sprintf("record %d", k+1), err)
						}
						return place(argument(i), err)
					}
					r := full(v)
					if !*r.Valid && bad == nil {
						bad = place(argument(i), errors.New(r.Signature))
					}
					text := r.text()
					if shown++; shown > 1 {
						text = "\n" + text
					}
					t.print(r, text)
				}
			}
			return bad
		},
	}
}

// recordTexts splits what an argument stands for into records.
func (t *tool) recordTexts(arg string) ([]string, error) {
	b, err := t.input(arg)
	if err != nil {
		return nil, err
	}
	if len(b) > 0 && b[0] >= 0xc0 {
		return []string{string(b)}, nil
	}
	texts := words(b)
	if len(texts) == 0 {
		if strings.HasPrefix(arg, "@") || arg == "-" {
			return nil, wrong("holds no record")
		}
		return nil, wrong("empty")
	}
	return texts, nil
}
