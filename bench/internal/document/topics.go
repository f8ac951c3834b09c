package document

import (
	"fmt"
	"strings"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// topics are the tables of what a registrar takes, with what they were made on and by.
func topics(t *results.Topics) string {
	if t == nil {
		return "Not measured yet: `make perf-topics`."
	}
	parts := []string{
		fmt.Sprintf("End to end, CPU time of the process for each exchange. %s", topicRun(t.LoadMachine, t.LoadDate, t.LoadCommands)),
		topicLoad(t),
		fmt.Sprintf("In the engine alone, from the bytes of a datagram to those of its answer, without system calls. Nothing is allocated in any of them. "+
			"All are measured in turn; the figures are medians of %d rounds, and the ratio is to a PING or FINDNODE of the same round. "+
			"The last two columns are those of a processor without AVX-512, where AES-GCM takes two to three times as long for a long message. %s", t.Rounds, topicRun(t.Machine, t.Date, t.Commands)),
		topicStages(t),
		"Steps of the registrar: the least of 25 runs of 50,000.",
		topicSteps(t),
	}
	return strings.Join(parts, "\n\n")
}

// topicRun says what figures were made on and by.
func topicRun(m results.Machine, date time.Time, commands []string) string {
	return fmt.Sprintf("%s, %d CPUs, Linux %s, %s, on %s, with a load average of %.1f: `%s`.",
		m.CPU, m.CPUs, m.Kernel, m.Go, date.Format("2006-01-02"), m.Load, strings.Join(commands, "`, `"))
}

func topicLoad(t *results.Topics) string {
	cost := map[string]float64{}
	for _, r := range t.Load {
		cost[r.Workload] = r.Median
	}
	var list [][]string
	for i := range t.Load {
		r := &t.Load[i]
		of := ""
		for _, base := range []struct{ workload, base, title string }{{"regtopic", "ping", "PING"}, {"topicquery", "findnode", "FINDNODE"}} {
			if base.workload == r.Workload && cost[base.base] > 0 {
				of = fmt.Sprintf("%.2f of %s", r.Median/cost[base.base], base.title)
			}
		}
		list = append(list, []string{title(r.Workload), group(float64(r.Request)), answer(r), fmt.Sprintf("%s (%s-%s)", number(r.Median), number(r.Low), number(r.High)), of, fmt.Sprintf("%.2f", r.Ratio)})
	}
	return table([]string{"workload", "bytes in", "answer", "CPU µs (quartiles)", "of PING, FINDNODE", "of an echo of the same sizes"}, list)
}

func topicStages(t *results.Topics) string {
	var list [][]string
	for _, r := range results.TopicRows() {
		row := []string{r.Title}
		for _, stages := range [][]results.TopicStage{t.Stages, t.Plain} {
			s, ok := t.Stage(stages, r.Stage)
			switch {
			case !ok:
				row = append(row, "?", "?")
			case r.Base == "":
				row = append(row, nanos(s.Nanos), "")
			default:
				row = append(row, nanos(s.Nanos), fmt.Sprintf("%.2f of %s (%.2f-%.2f)", s.Ratio, r.Base, s.Low, s.High))
			}
		}
		budget := ""
		if r.Budget > 0 {
			budget = fmt.Sprint(r.Budget)
		}
		list = append(list, append(row[:3:3], budget, row[3], row[4]))
	}
	return table([]string{"stage", "time", "ratio (quartiles)", "budget", "time without AVX-512", "ratio (quartiles)"}, list)
}

// topicSteps is the table of steps in the registrar and of its memory, by number of ads.
func topicSteps(t *results.Topics) string {
	step := func(name string) string {
		for _, s := range t.Times {
			if s.Benchmark == name {
				return nanos(s.Nanos)
			}
		}
		return "?"
	}
	bytes := func(name string, ads float64) string {
		for _, f := range t.Facts {
			if f.Name == name {
				return fmt.Sprintf("%s bytes, %.0f for each", group(f.Value), f.Value/ads)
			}
		}
		return "?"
	}
	return table([]string{"what", "1,000 ads", "100,000 ads", "budget"}, [][]string{
		{"address score", step("Score/1000"), step("Score/100000"), "200 ns, 400 ns"},
		{"waiting time beside it", step("WaitingTime/1000"), step("WaitingTime/100000"), "100 ns"},
		{"sample of 10 ads", step("Sample/1000"), step("Sample/100000"), ""},
		{"memory, full, 300 topics", bytes("1,000 ads", 1000), bytes("100,000 ads", 100_000), "500 for each"},
		{"memory, full, a topic for each ad", bytes("1,000 topics", 1000), bytes("100,000 topics", 100_000), "600,000 with 1,000 ads"},
	})
}
