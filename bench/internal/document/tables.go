package document

import (
	"fmt"
	"strings"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// table writes Markdown.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, r := range rows {
		line(r)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// number writes a figure with as many digits as it is good for.
func number(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	case x < 100:
		return fmt.Sprintf("%.1f", x)
	}
	return group(x)
}

// group writes a whole number with commas.
func group(x float64) string {
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func nanos(x float64) string {
	if x >= 10_000 {
		return number(x/1000) + " µs"
	}
	return number(x) + " ns"
}

// title is the name of a workload in the document.
func title(workload string) string {
	switch workload {
	case "regtopic":
		return "regtopic, mostly tickets"
	case "topicquery":
		return "topicquery, 10 ads"
	case "ping-many":
		return "ping, large map"
	case "findnode":
		return "findnode, full bucket"
	case "talk":
		return "talk, unknown protocol"
	case "junk-repeated":
		return "junk, challenge repeated"
	case "junk-new":
		return "junk, new challenge"
	}
	return workload
}

// rows are those of a workload in the order of the servers.
func rows(f *results.File, workload string) (list []*results.Row) {
	for _, s := range results.Servers() {
		if r := f.Row(workload, s); r != nil {
			list = append(list, r)
		}
	}
	return list
}

func servers(f *results.File) string {
	var list [][]string
	for _, s := range f.Servers {
		list = append(list, []string{s.Name, s.Version, s.CPU})
	}
	text := table([]string{"server", "version", "CPU time from"}, list)
	for _, s := range f.Skipped {
		text += fmt.Sprintf("\n\nLeft out: %s (%s).", s.Name, strings.Join(strings.Fields(s.Why), " "))
	}
	return text
}

func workloads(f *results.File) string {
	var list [][]string
	for _, w := range results.Workloads() {
		if w == "handshake" {
			continue
		}
		for _, r := range rows(f, w) {
			ratio := "1"
			if r.Server != results.Echo {
				ratio = fmt.Sprintf("%.2f (%.2f-%.2f)", r.Ratio, r.RatioLow, r.RatioHigh)
			}
			list = append(list, []string{
				title(w), r.Server, sessionsOf(r), answer(r), fmt.Sprintf("%s (%s-%s)", number(r.Median), number(r.Low), number(r.High)),
				ratio, rate(r), latency(r), allocs(r),
			})
		}
	}
	return table([]string{"workload", "server", "sessions", "answer", "CPU µs (quartiles)", "of echo (quartiles)", "per second", "p50 / p99 µs", "allocs"}, list)
}

func sessionsOf(r *results.Row) string {
	if r.Sessions == 0 {
		return ""
	}
	return group(float64(r.Sessions))
}

func answer(r *results.Row) string {
	if len(r.Answer) == 0 {
		return "none"
	}
	sum := 0
	for _, n := range r.Answer {
		sum += n
	}
	text := fmt.Sprintf("%s bytes", group(float64(sum)))
	if len(r.Answer) > 1 {
		text += fmt.Sprintf(" in %d", len(r.Answer))
	}
	if r.Records > 0 {
		text = fmt.Sprintf("%d records, ", r.Records) + text
	}
	return text
}

func rate(r *results.Row) string {
	if len(r.Answer) == 0 {
		return "paced"
	}
	return group(r.Rate)
}

func latency(r *results.Row) string {
	if r.P50 == 0 {
		return ""
	}
	return number(r.P50) + " / " + number(r.P99)
}

func allocs(r *results.Row) string {
	switch {
	case r.Allocs < 0:
		return "?"
	case r.Allocs < 0.0005:
		return "0"
	case r.Allocs < 1:
		return fmt.Sprintf("%.3f", r.Allocs)
	}
	return fmt.Sprintf("%.0f", r.Allocs)
}

func handshakes(f *results.File) string {
	var list [][]string
	for _, r := range rows(f, "handshake") {
		list = append(list, []string{
			r.Server, fmt.Sprintf("%s (%s-%s)", number(r.Median), number(r.Low), number(r.High)), group(1e6 / r.Median),
			group(r.Rate), latency(r), allocs(r), fmt.Sprint(r.Lost),
		})
	}
	return table([]string{"server", "CPU µs (quartiles)", "a CPU can do, per second", "with this generator, per second", "p50 / p99 µs", "allocs", "lost"}, list)
}

func memory(f *results.File) string {
	var list [][]string
	for _, m := range f.Memory {
		if m.Server == results.Own && m.Sessions < largest(f) {
			continue
		}
		each := group(m.Each())
		if !m.Exact {
			each = "not distinguished from garbage"
		}
		list = append(list, []string{m.Server, group(float64(m.Sessions)), each, group(float64(m.After >> 20))})
	}
	return table([]string{"server", "sessions made", "bytes resident for each", "MiB of the process afterwards"}, list)
}

// largest is the greatest number of sessions of this node whose memory is known: fewer make a worse
// figure.
func largest(f *results.File) (n int) {
	for _, m := range f.Memory {
		if m.Server == results.Own {
			n = max(n, m.Sessions)
		}
	}
	return n
}

func workers(f *results.File) string {
	var list [][]string
	for _, w := range f.Workers {
		r := group(w.Rate)
		if w.Shared {
			r += ", the generator shares a CPU"
		}
		list = append(list, []string{fmt.Sprint(w.Workers), group(float64(w.Sessions)), fmt.Sprintf("%s (%s-%s)", number(w.Median), number(w.Low), number(w.High)), r})
	}
	return table([]string{"workers", "sessions", "CPU µs (quartiles)", "per second"}, list)
}

func sessions(f *results.File) string {
	var list [][]string
	for _, p := range f.Sessions {
		bytes := group(p.Bytes)
		if p.Sessions < 10_000 {
			bytes = "" // less than what else the process took meanwhile
		}
		list = append(list, []string{group(float64(p.Sessions)), fmt.Sprintf("%s (%s-%s)", number(p.Median), number(p.Low), number(p.High)), bytes})
	}
	return table([]string{"sessions", "CPU µs (quartiles)", "bytes resident for each"}, list)
}

func junk(f *results.File) string {
	var list [][]string
	for _, s := range f.Junk {
		list = append(list, []string{fmt.Sprintf("%d %%", s.Percent), fmt.Sprintf("%s (%s-%s)", number(s.Median), number(s.Low), number(s.High))})
	}
	return table([]string{"junk", "CPU µs a datagram (quartiles)"}, list)
}

func stages(f *results.File) string {
	var list [][]string
	parts := 0.0
	for _, w := range results.Stages() {
		for _, s := range f.Stages {
			if s.Name != w.Name {
				continue
			}
			mark := ""
			if w.Part {
				mark = "yes"
				parts += s.Nanos
			}
			list = append(list, []string{s.Name, nanos(s.Nanos), fmt.Sprintf("%.0f", s.Allocs), mark, fmt.Sprintf("`Benchmark%s` in %s", s.Benchmark, s.Package)})
		}
	}
	text := table([]string{"stage", "time", "allocs", "of a PING", "benchmark"}, list)
	return text + fmt.Sprintf("\n\nThe stages of a PING add up to %s.", nanos(parts))
}

// sentPart is which part of the junk that was asked for leaves where nothing is in its way: the
// last burst may be missing.
const sentPart = 0.97

// junkRate says how much junk was asked for, and how much left if that is less: a socket that takes
// no GSO slows the sender down.
func junkRate(x *results.Flood) string {
	switch x.Junk {
	case results.NoJunk:
		return "none"
	case results.FullSpeed:
		return "all that a CPU sends: " + group(x.Sent)
	}
	text := group(float64(x.Junk))
	if x.Sent < sentPart*float64(x.Junk) {
		text += " (" + group(x.Sent) + " left)"
	}
	return text
}

func flood(f *results.File) string {
	if len(f.Flood) == 0 {
		return "Not measured in this run, which an older version of the program made."
	}
	var list [][]string
	for _, rate := range results.JunkRates() {
		for _, s := range results.FloodServers() {
			if x := f.Flooded(s, rate); x != nil {
				list = append(list, []string{
					junkRate(x), s, group(float64(x.Sessions)), fmt.Sprintf("%.1f (%.1f)", 100*x.Answered, 100*x.AnsweredLow), number(x.P50),
					fmt.Sprintf("%s (%s-%s)", number(x.P99), number(x.P99Low), number(x.P99High)), number(x.Lag), fmt.Sprintf("%.1f", 100*x.Dropped),
				})
			}
		}
	}
	return table([]string{"junk per second", "server", "sessions", "% answered (lower quartile)", "p50 µs", "p99 µs (quartiles)", "late by µs, p99", "% dropped by the kernel"}, list)
}

// ours reports whether a server is this node in one of its forms.
func ours(server string) bool { return server == results.Own || server == results.Single }

// form says which form of this node a figure is of, if it is not the usual one.
func form(server string) string {
	if server == results.Single {
		return ", no GSO"
	}
	return ""
}

// beaten lists what other servers do better in a workload than this node in one of its forms.
func beaten(own *results.Row, rows []*results.Row) (list []string) {
	what := title(own.Workload) + form(own.Server)
	for _, r := range rows {
		if ours(r.Server) || r.Server == results.Echo {
			continue
		}
		if r.Median < own.Median {
			how := ""
			if len(r.Answer) == 0 && own.Workload != "handshake" {
				how = ", which does not answer it"
			}
			list = append(list, fmt.Sprintf("- **%s**: %s µs of CPU, %s takes %s%s.", what, number(own.Median), r.Server, number(r.Median), how))
		}
		if own.Slower(r) {
			list = append(list, fmt.Sprintf("- **%s, p99 of a lone one**: %s µs (%s-%s), %s has %s (%s-%s).", what, number(own.P99),
				number(own.P99Low), number(own.P99High), r.Server, number(r.P99), number(r.P99Low), number(r.P99High)))
		}
	}
	return list
}

// losing lists what another server does better than this node, with GSO or without.
func losing(f *results.File) string {
	var list []string
	for _, w := range results.Workloads() {
		for _, own := range rows(f, w) {
			if ours(own.Server) {
				list = append(list, beaten(own, rows(f, w))...)
			}
		}
	}
	for _, m := range f.Memory {
		if m.Server == results.Own || !m.Exact {
			continue
		}
		for _, own := range f.Memory {
			if own.Server == results.Own && own.Sessions == largest(f) && m.Each() < own.Each() {
				list = append(list, fmt.Sprintf("- **Memory**: %s bytes a session with %s of them; %s takes %s with %s.",
					group(own.Each()), group(float64(own.Sessions)), m.Server, group(m.Each()), group(float64(m.Sessions))))
			}
		}
	}
	for _, own := range f.Flood {
		for _, s := range results.FloodServers() {
			x := f.Flooded(s, own.Junk)
			if !ours(own.Server) || ours(s) || x == nil {
				continue
			}
			// A server that answers few can answer them soon.
			if own.Answered < x.AnsweredLow {
				list = append(list, fmt.Sprintf("- **Steady sessions beside junk (%s)%s**: %.1f %% answered, %s answers %.1f %%.", junkRate(&own), form(own.Server), 100*own.Answered, s, 100*x.Answered))
			}
			if own.Slower(x) {
				list = append(list, fmt.Sprintf("- **Steady sessions beside junk (%s)%s, p99**: %s µs with %.1f %% answered, %s has %s with %.1f %%.",
					junkRate(&own), form(own.Server), number(own.P99), 100*own.Answered, s, number(x.P99), 100*x.Answered))
			}
		}
	}
	if len(list) == 0 {
		return "- In none of these workloads against the servers that were measured."
	}
	return strings.Join(list, "\n")
}
