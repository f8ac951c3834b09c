package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// finish notes the machine, and ends the servers of the workloads.
func (b *bench) finish() error {
	r := &b.report
	r.Version, r.Quick = results.Version, b.quick
	r.Date = time.Now().UTC().Truncate(time.Second)
	r.Machine = results.Here(len(b.cpus))
	r.Machine.Load = b.load5
	r.Plan = results.Plan{
		Rounds: b.rounds, Slice: b.slice, Window: b.window, Burst: b.burst, Sleep: b.sleep, Segments: b.node.gen.Info().GSO,
	}
	b.command(commandLine("go run ./cmd/perf", os.Args[1:]))
	b.close()
	return nil
}

// print writes all figures as text.
func print(w io.Writer, f *results.File) {
	fmt.Fprintf(w, "%s, Linux %s, %s; %d rounds of %v, window %d, bursts of %d, segmentation %v, generator sleeps %v\n",
		f.Machine.CPU, f.Machine.Kernel, f.Machine.Go, f.Plan.Rounds, f.Plan.Slice, f.Plan.Window, f.Plan.Burst, f.Plan.Segments, f.Plan.Sleep)
	for _, h := range f.Handshakes {
		fmt.Fprintf(w, "handshakes, %s: %d, %.0f µs of CPU each\n", h.Server, h.Count, h.CPU)
	}
	for _, m := range f.Memory {
		fmt.Fprintf(w, "memory, %s: %.0f bytes for each of %d sessions, %d MiB in all\n", m.Server, m.Each(), m.Sessions, m.After>>20)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workload\tserver\tsessions\tbytes in\tout\texchanges\tlost\tCPU µs\tquartiles\tof echo\tquartiles\tper s\tallocs\tbatch\tp50 µs\tp99 µs\t")
	for _, r := range f.Rows {
		row(t, &r)
	}
	t.Flush()
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range f.Flood {
		fmt.Fprintf(t, "steady beside junk, %s\t%d asked, %.0f sent per s\t%.1f %% answered\tp50 %.0f µs, p99 %.0f (%.0f-%.0f)\tlag %.0f\tdropped %.1f %%\t\n",
			x.Server, x.Junk, x.Sent, 100*x.Answered, x.P50, x.P99, x.P99Low, x.P99High, x.Lag, 100*x.Dropped)
	}
	for _, x := range f.Workers {
		fmt.Fprintf(t, "%d workers\t%.2f µs\t%.2f-%.2f\t%.0f per s\t\n", x.Workers, x.Median, x.Low, x.High, x.Rate)
	}
	for _, p := range f.Sessions {
		fmt.Fprintf(t, "%d sessions\t%.2f µs\t%.2f-%.2f\t%.0f bytes each\t\n", p.Sessions, p.Median, p.Low, p.High, p.Bytes)
	}
	for _, s := range f.Junk {
		fmt.Fprintf(t, "%d %% junk\t%.2f µs\t%.2f-%.2f\t\t\n", s.Percent, s.Median, s.Low, s.High)
	}
	for _, s := range f.Stages {
		fmt.Fprintf(t, "%s\t%.1f ns\t%.0f allocs\t%s %s\t\n", s.Name, s.Nanos, s.Allocs, s.Package, s.Benchmark)
	}
	t.Flush()
}

func row(w io.Writer, r *results.Row) {
	out := 0
	for _, n := range r.Answer {
		out += n
	}
	ratio, spread := "", ""
	switch {
	case r.Ratio > 0:
		ratio, spread = fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("%.2f-%.2f", r.RatioLow, r.RatioHigh)
	case r.Server == results.Echo:
		ratio = "1"
	}
	batch, allocs := "", ""
	if r.Batch > 0 {
		batch = fmt.Sprintf("%.0f", r.Batch)
	}
	if r.Allocs >= 0 {
		allocs = fmt.Sprintf("%.3f", r.Allocs)
	}
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d in %d\t%d\t%d\t%.2f\t%.2f-%.2f\t%s\t%s\t%.0f\t%s\t%s\t%.0f\t%.0f\t\n",
		r.Workload, r.Server, r.Sessions, r.Request, out, len(r.Answer), r.Exchanges, r.Lost,
		r.Median, r.Low, r.High, ratio, spread, r.Rate, allocs, batch, r.P50, r.P99)
}
