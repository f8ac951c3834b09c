// Command perfdoc makes PERF.md and its pictures from the results of cmd/perf:
//
//	go run ./cmd/perfdoc [-results file] [-newpeers file] [-many file] [-topics file]
//	                     [-template file] [-o file] [-images directory]
//
// It is run in bench/. It writes nothing if figures are missing.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fastdisc/discv5/bench/internal/document"
	"github.com/fastdisc/discv5/bench/internal/results"
)

func main() {
	from := flag.String("results", "results/latest.json", "results file of cmd/perf")
	peers := flag.String("newpeers", "results/new_peers.json", "results file of cmd/newpeers")
	many := flag.String("many", "results/many_peers.json", "results file of cmd/perfmany")
	topics := flag.String("topics", "results/topics.json", "results file of cmd/perftopics")
	text := flag.String("template", "perf.md.tmpl", "template, with what people write")
	out := flag.String("o", "../PERF.md", "document")
	images := flag.String("images", "../docs/img", "directory for pictures")
	flag.Parse()
	if err := run(*from, *peers, *many, *topics, *text, *out, *images); err != nil {
		fmt.Fprintln(os.Stderr, "perfdoc:", err)
		os.Exit(1)
	}
}

func run(from, peers, many, topics, text, out, images string) error {
	f, err := results.Load(from)
	if err != nil {
		return err
	}
	if f.NewPeers, err = results.LoadNewPeers(peers); err != nil {
		return err
	}
	if f.ManyPeers, err = results.LoadManyPeers(many); err != nil {
		return err
	}
	if f.Topics, err = results.LoadTopics(topics); err != nil {
		return err
	}
	t, err := os.ReadFile(text)
	if err != nil {
		return err
	}
	seen, err := filepath.Rel(filepath.Dir(out), images)
	if err != nil {
		return fmt.Errorf("-images as seen from -o: %w", err)
	}
	d, err := document.Make(f, string(t), filepath.ToSlash(seen))
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if err := os.MkdirAll(images, 0o755); err != nil {
		return err
	}
	for name, svg := range d.Pictures {
		if err := os.WriteFile(filepath.Join(images, name), svg, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(out, d.Text, 0o644)
}
