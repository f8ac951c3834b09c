package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is what a run found.
type report struct {
	Date       time.Time
	CPU        string
	Kernel     string
	Go         string
	Rounds     int
	Slice      time.Duration
	Window     int
	Burst      int
	Segments   bool // the driver sends with segmentation offload
	Sleep      bool // the driver sleeps while it waits
	Handshakes []handshakes
	Rows       []row
}

type handshakes struct {
	Server string
	Count  int
	CPU    float64 // µs each
}

// row is one workload on one server. Costs are µs of the server's CPU time for an exchange.
type row struct {
	Workload, Server string
	Sessions         int
	Request          int   // bytes
	Answer           []int // bytes
	Median           float64
	Low, High        float64 // quartiles over the rounds
	Ratio            float64 // to the echo server; 0 for itself
	RatioLow         float64 // quartiles
	RatioHigh        float64
	Exchanges, Lost  int
	Rate             float64 // exchanges in a second, with the driver on a CPU of its own
	Allocs           float64 // objects for an exchange
	Batch            float64 // datagrams in a receive call
	P50, P99         float64 // µs of a lone exchange
	Samples          []sample
}

// quartiles of list, which it sorts.
func quartiles(list []float64) (low, mid, high float64) {
	if len(list) == 0 {
		return 0, 0, 0
	}
	slices.Sort(list)
	at := func(q float64) float64 {
		x := q * float64(len(list)-1)
		i := int(x)
		j := min(i+1, len(list)-1)
		return list[i] + (x-float64(i))*(list[j]-list[i])
	}
	return at(0.25), at(0.5), at(0.75)
}

// against compares with the echo server, round by round.
func (r *row) against(echo []sample) {
	var ratios []float64
	for i, s := range r.Samples {
		ratios = append(ratios, s.cost()/echo[i].cost())
	}
	r.RatioLow, r.Ratio, r.RatioHigh = quartiles(ratios)
}

func (r *row) sum() {
	var costs, rates, batches []float64
	var allocs uint64
	for _, s := range r.Samples {
		costs = append(costs, s.cost())
		rates = append(rates, float64(s.Exchanges)/s.Elapsed.Seconds())
		batches = append(batches, s.Batch)
		allocs += s.Allocs
		r.Exchanges += s.Exchanges
		r.Lost += s.Lost
	}
	r.Low, r.Median, r.High = quartiles(costs)
	_, r.Rate, _ = quartiles(rates)
	_, r.Batch, _ = quartiles(batches)
	r.Allocs = float64(allocs) / float64(max(r.Exchanges, 1))
}

func (rep *report) finish(b *bench) {
	rep.Date = time.Now().UTC().Truncate(time.Second)
	rep.CPU, rep.Kernel, rep.Go = cpuModel(), kernel(), runtime.Version()
	rep.Rounds, rep.Slice, rep.Window, rep.Burst = b.rounds, b.slice, b.window, b.burst
	rep.Sleep = b.sleep
	rep.Segments = b.node.socket.Segments()
	for i := range rep.Rows {
		rep.Rows[i].sum()
	}
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

func (rep *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s, Linux %s, %s; %d rounds of %v, window %d, bursts of %d, segmentation %v, driver sleeps %v\n",
		rep.CPU, rep.Kernel, rep.Go, rep.Rounds, rep.Slice, rep.Window, rep.Burst, rep.Segments, rep.Sleep)
	for _, h := range rep.Handshakes {
		fmt.Fprintf(w, "handshakes, %s: %d, %.0f µs of CPU each\n", h.Server, h.Count, h.CPU)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workload\tserver\tsessions\tbytes in\tout\texchanges\tlost\tCPU µs\tquartiles\tof echo\tquartiles\tper s\tallocs\tbatch\tp50 µs\tp99 µs\t")
	for _, r := range rep.Rows {
		out := 0
		for _, n := range r.Answer {
			out += n
		}
		ratio, spread := "1", ""
		if r.Ratio > 0 {
			ratio, spread = fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("%.2f-%.2f", r.RatioLow, r.RatioHigh)
		}
		batch := ""
		if r.Batch > 0 {
			batch = fmt.Sprintf("%.0f", r.Batch)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d in %d\t%d\t%d\t%.2f\t%.2f-%.2f\t%s\t%s\t%.0f\t%.3f\t%s\t%.0f\t%.0f\t\n",
			r.Workload, r.Server, r.Sessions, r.Request, out, len(r.Answer), r.Exchanges, r.Lost,
			r.Median, r.Low, r.High, ratio, spread, r.Rate, r.Allocs, batch, r.P50, r.P99)
	}
	t.Flush()
}

func (rep *report) write(path string) error {
	b, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
