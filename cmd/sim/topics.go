package main

import (
	"fmt"
	"io"

	"github.com/fastdisc/discv5/simnet"
)

// topicLine is what a sample says about topics.
func topicLine(p *simnet.TopicSample) string {
	l, s := &p.Lookups, &p.Search
	text := fmt.Sprintf("  topics: %d lookups, %.1f%% complete, %.1f queries, %.2f s; %.0f%% of the ads placed; %.1f ads in a cache, at most %d; %.0f messages in 15 min, at most %.0f",
		l.Ended, 100*l.Complete, l.Queries, l.TookMedian, 100*p.Placed, p.AdsMean, p.AdsMost, p.MessagesMedian, p.MessagesMost)
	if s.Searching > 0 {
		text += fmt.Sprintf("\n  %d searches: recall %.3f%%, %.2f%% have found 99%%, %.2f%% everybody; %d advertisers that nobody has found; the rarest found by %.1f%%; %.2f queries a minute",
			s.Searching, 100*s.Recall, 100*s.Seen, 100*s.All, s.Unfound, 100*s.LeastFound, s.Rate)
	}
	return text
}

// topicRows is how many topics are listed.
const topicRows = 20

// summarizeTopics writes what is true of topics in the whole run.
func summarizeTopics(out io.Writer, p *simnet.TopicSample) {
	l, s := &p.Lookups, &p.Search
	fmt.Fprintf(out, "topics: %d registrars, %d advertisers, %d of them attackers\n", p.Registrars, p.Members, p.Attackers)
	fmt.Fprintf(out, "  %d lookups: %.2f%% found 30 or all others, recall %.3f%%; %.1f queries, %.1f for topics of a tenth or more; %.2f s, p95 %.2f s\n",
		l.Ended, 100*l.Complete, 100*l.Recall, l.Queries, l.QueriesPopular, l.TookMedian, l.TookP95)
	fmt.Fprintf(out, "  ads placed: %.1f%% of five in each bucket, %.1f%% for the topic with the fewest; %.1f%% waiting; first after %.1f s, p95 %.0f s; %d without any\n",
		100*p.Placed, 100*p.PlacedLeast, 100*p.Waiting, p.FirstMedian, p.FirstP95, p.Without)
	fmt.Fprintf(out, "  found by somebody within 15 min: %.2f%% of the advertisers\n", 100*p.Seen)
	fmt.Fprintf(out, "  a registrar: %.1f ads, at most %d; in 15 min %.0f messages, at most %.0f; of these queries %.0f, at most %.0f\n",
		p.AdsMean, p.AdsMost, p.MessagesMedian, p.MessagesMost, p.QueriesMedian, p.QueriesMost)
	fmt.Fprintf(out, "  %d results, %.2f%% dead, for %.0f s at most\n", p.Results, 100*p.Dead, p.DeadMost)
	if p.Hostile > 0 {
		fmt.Fprintf(out, "  attackers are %.1f%% of the results of lookups; %d lookups (%.2f%%) found attackers alone\n",
			100*p.Hostile, l.Eclipsed, 100*float64(l.Eclipsed)/float64(max(l.Ended, 1)))
	}
	if s.Searching > 0 {
		fmt.Fprintf(out, "  %d searches: %.2f%% have found 99%% of the others and %.2f%% all of them, recall %.3f%%, within a minute %.1f%%; half after %.1f s, 90%% after %.1f s; %.2f queries a minute at the end\n",
			s.Searching, 100*s.Seen, 100*s.All, 100*s.Recall, 100*s.Minute, s.HalfMedian, s.MostMedian, s.Rate)
		fmt.Fprintf(out, "  %d advertisers that no search has found; the one that the fewest have found is known to %.1f%% of the searches of its topic\n",
			s.Unfound, 100*s.LeastFound)
	}
	for i, r := range p.Topics[:min(len(p.Topics), topicRows)] {
		fmt.Fprintf(out, "  topic %d: %d advertisers, %.1f%% of their ads placed; %d lookups, %.2f%% complete, %.1f queries, %.2f s\n",
			i+1, r.Members, 100*r.Placed, r.Lookups, 100*r.Complete, r.Queries, r.Took)
	}
}
