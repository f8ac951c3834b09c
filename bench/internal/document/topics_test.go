package document

import (
	"errors"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// The tables name each stage with its ratio and budget, what was not measured too, and the
// commands.
func TestTopics(t *testing.T) {
	if text := topics(nil); !strings.Contains(text, "Not measured") {
		t.Errorf("%q without a file", text)
	}
	n := &results.Topics{
		Rounds: 120, Commands: []string{"./engine.test -test.bench TopicRounds"},
		Load: []results.Row{
			{Workload: "ping", Server: results.Own, Request: 99, Answer: []int{113}, Median: 2, Low: 1.9, High: 2.1, Ratio: 1.5},
			{Workload: "regtopic", Server: results.Own, Request: 271, Answer: []int{104}, Median: 3, Low: 2.5, High: 3.5, Ratio: 1.25},
		},
		Stages: []results.TopicStage{{Name: "ping", Nanos: 250}, {Name: "admitted", Nanos: 650, Ratio: 2.625, Low: 2.5, High: 2.75}},
		Plain:  []results.TopicStage{{Name: "admitted", Nanos: 725, Ratio: 2.9, Low: 2.8, High: 3}},
		Times:  []results.Stage{{Benchmark: "Score/1000", Nanos: 24.5}},
		Facts:  []results.Fact{{Name: "1,000 ads", Value: 475_376}},
	}
	text := topics(n)
	for _, want := range []string{
		"medians of 120 rounds", "`./engine.test -test.bench TopicRounds`",
		"| regtopic, mostly tickets | 271 | 104 bytes | 3.00 (2.50-3.50) | 1.50 of PING | 1.25 |",
		"| PING | 250 ns |  |  | ? | ? |",
		"| REGTOPIC, admitted | 650 ns | 2.62 of PING (2.50-2.75) | 3 | 725 ns | 2.90 of PING (2.80-3.00) |",
		"| TOPICQUERY, 10 ads and 3 auxiliary records | ? | ? | 1.1 | ? | ? |",
		"| address score | 24.5 ns | ? | 200 ns, 400 ns |",
		"| memory, full, 300 topics | 475,376 bytes, 475 for each | ? | 500 for each |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// A benchmark that lacks a metric is an error that names it.
func TestTopicStages(t *testing.T) {
	b := results.Benchmark{Name: "TopicRounds", Values: map[string]float64{"ping-ns": 250}}
	if _, err := results.TopicStages(b); !errors.Is(err, results.ErrMissing) || !strings.Contains(err.Error(), "known-ns") {
		t.Errorf("error %v", err)
	}
	for _, r := range results.TopicRows() {
		b.Values[r.Stage+"-ns"] = 500
		if r.Base != "" {
			b.Values[r.Stage+"-ratio"], b.Values[r.Stage+"-low"], b.Values[r.Stage+"-high"] = 2, 1, 3
		}
	}
	list, err := results.TopicStages(b)
	if err != nil || len(list) != len(results.TopicRows()) || list[1] != (results.TopicStage{Name: "known", Nanos: 500, Ratio: 2, Low: 1, High: 3}) {
		t.Errorf("%+v, %v", list, err)
	}
}
