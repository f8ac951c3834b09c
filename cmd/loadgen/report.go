package main

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/fastdisc/discv5/internal/load"
	"github.com/fastdisc/discv5/internal/version"
)

// schema is the version of the JSON report. It rises when a member changes its meaning or goes
// away.
const schema = 1

// report is everything that text, JSON and HTML are made of.
type report struct {
	options  *options
	cfg      load.Config // with defaults
	info     load.Info
	prepared load.Prepared
	result   *load.Result
	note     string // why the target's process is not measured
	checks   []check
}

// check is a threshold and how it was kept.
type check struct {
	Name  string  `json:"name"`
	Limit float64 `json:"limit"`
	Value float64 `json:"value"`
	OK    bool    `json:"ok"`
}

// show writes a value of the threshold as the command line has it.
func (c *check) show(v float64) string {
	if c.Name == p99Check {
		return span(time.Duration(v * float64(time.Microsecond)))
	}
	return decimal(v)
}

// p99Check is the name of a threshold whose values are in microseconds.
const p99Check = "max-p99"

// judge compares with the thresholds of the command line.
func (r *report) judge() {
	l, res := r.options.limit, r.result
	if l.loss >= 0 {
		v := res.Loss()
		r.checks = append(r.checks, check{"max-loss", l.loss, v, v <= l.loss})
	}
	if l.rate >= 0 {
		v := res.Rate()
		r.checks = append(r.checks, check{"min-rate", l.rate, v, v >= l.rate})
	}
	if l.p99 > 0 {
		v := micros(res.Latency.Quantile(0.99))
		ok := res.Latency.Count() > 0 && v <= micros(l.p99)
		r.checks = append(r.checks, check{p99Check, micros(l.p99), v, ok})
	}
}

// broken is an error that names the thresholds that were not kept.
func (r *report) broken() error {
	var list []string
	for _, c := range r.checks {
		if !c.OK {
			list = append(list, fmt.Sprintf("--%s %s, but it was %s", c.Name, c.show(c.Limit), c.show(c.Value)))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errThreshold, strings.Join(list, "; "))
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// The JSON report. Times are in seconds or microseconds, as the names of members say; sizes in
// bytes. docs/LOADGEN.md says what each member means.
type (
	jsonReport struct {
		Schema    int            `json:"schema"`
		Program   string         `json:"program"`
		Started   time.Time      `json:"started"`
		Target    jsonTarget     `json:"target"`
		Settings  jsonSettings   `json:"settings"`
		Generator jsonGenerator  `json:"generator"`
		Prepare   *jsonPrepare   `json:"prepare,omitempty"`
		Result    jsonResult     `json:"result"`
		Checks    []check        `json:"thresholds,omitempty"`
		Curve     []jsonQuantile `json:"latency_curve"`
		Points    []jsonPoint    `json:"points"`
	}
	jsonTarget struct {
		ID      string `json:"id"`
		Address string `json:"address"`
	}
	jsonSettings struct {
		Mix        map[string]int `json:"mix"`
		Loop       string         `json:"loop"`
		Window     int            `json:"window,omitempty"`
		Rate       float64        `json:"rate,omitempty"`
		Arrivals   string         `json:"arrivals,omitempty"`
		Duration   float64        `json:"duration_seconds"`
		Warmup     float64        `json:"warmup_seconds,omitempty"`
		Requests   uint64         `json:"requests,omitempty"`
		Timeout    float64        `json:"timeout_seconds"`
		Identities int            `json:"identities"`
		JunkIDs    int            `json:"junk_ids,omitempty"`
		Handshake  string         `json:"handshake,omitempty"`
		Distances  []uint         `json:"distances,omitempty"`
		Topics     int            `json:"topics,omitempty"`
		Tickets    string         `json:"tickets,omitempty"`
		Talk       string         `json:"talk_protocol,omitempty"`
		TalkSize   int            `json:"talk_size,omitempty"`
		Protocol   string         `json:"protocol_id"`
	}
	jsonGenerator struct {
		Path      string `json:"path"`
		Receive   string `json:"receive"`
		GSO       bool   `json:"gso"`
		GSOReason string `json:"gso_reason,omitempty"`
		GRO       bool   `json:"gro"`
		GROReason string `json:"gro_reason,omitempty"`
		Sockets   int    `json:"sockets"`
		Sources   int    `json:"sources"`
		Workers   int    `json:"workers"`
		GSOBatch  int    `json:"gso_batch"`
		Buffer    int    `json:"receive_buffer_bytes"`
		Poll      bool   `json:"poll"`
		OS        string `json:"os"`
		Arch      string `json:"arch"`
		CPUs      int    `json:"cpus"`
	}
	jsonPrepare struct {
		Sessions int         `json:"sessions"`
		Failed   int         `json:"failed"`
		Seconds  float64     `json:"seconds"`
		Latency  jsonLatency `json:"latency_us"`
	}
	jsonLatency struct {
		Count int64   `json:"count"`
		Mean  float64 `json:"mean"`
		P50   float64 `json:"p50"`
		P90   float64 `json:"p90"`
		P99   float64 `json:"p99"`
		P999  float64 `json:"p99_9"`
		P9999 float64 `json:"p99_99"`
		Max   float64 `json:"max"`
	}
	jsonCounts struct {
		Sent     uint64      `json:"sent"`
		Answered uint64      `json:"answered"`
		Lost     uint64      `json:"lost"`
		Unsent   uint64      `json:"unsent"`
		Rate     float64     `json:"rate"`
		Latency  jsonLatency `json:"latency_us"`
	}
	jsonResult struct {
		Sending     float64               `json:"sending_seconds"`
		Elapsed     float64               `json:"elapsed_seconds"`
		Interrupted bool                  `json:"interrupted"`
		Total       jsonCounts            `json:"total"`
		Pending     int                   `json:"pending"`
		Loss        float64               `json:"loss"`
		Kinds       map[string]jsonCounts `json:"kinds"`
		Events      jsonEvents            `json:"events"`
		Topics      *jsonTopics           `json:"topics,omitempty"`
		Traffic     jsonTraffic           `json:"traffic"`
		Lag         *jsonLatency          `json:"lag_us,omitempty"`
		Busy        float64               `json:"busy"`
		Limits      []string              `json:"generator_limits"`
		Usage       jsonUsage             `json:"usage"`
	}
	jsonEvents struct {
		Whoareyou uint64 `json:"whoareyou"`
		Rekeys    uint64 `json:"sessions_renewed"`
		Resent    uint64 `json:"resent"`
		Accepted  uint64 `json:"bad_handshakes_accepted"`
		Records   uint64 `json:"records"`
		Asked     uint64 `json:"requests_of_target"`
		Late      uint64 `json:"late"`
		Foreign   uint64 `json:"foreign"`
		Unmatched uint64 `json:"unmatched"`
		Malformed uint64 `json:"malformed"`
		Unopened  uint64 `json:"unopened"`
		Stray     uint64 `json:"stray_whoareyou"`
	}
	jsonTopics struct {
		Admitted  uint64  `json:"admitted"`
		Quoted    uint64  `json:"quoted"`
		Presented uint64  `json:"presented"`
		Skipped   uint64  `json:"skipped"`
		WaitMean  float64 `json:"wait_mean_seconds"`
		WaitMax   float64 `json:"wait_max_seconds"`
		TicketMax int     `json:"ticket_max_bytes"`
		Ads       uint64  `json:"ads"`
		Empty     uint64  `json:"queries_without_ads"`
		Auxiliary uint64  `json:"auxiliary"`
		BadWait   uint64  `json:"bad_wait"`
		BadTicket uint64  `json:"bad_ticket"`
		BadAds    uint64  `json:"bad_ads"`
		BadAnswer uint64  `json:"bad_answer"`
	}
	jsonTraffic struct {
		PacketsSent        uint64 `json:"packets_sent"`
		BytesSent          uint64 `json:"bytes_sent"`
		PacketsReceived    uint64 `json:"packets_received"`
		BytesReceived      uint64 `json:"bytes_received"`
		CallsSent          uint64 `json:"send_calls"`
		CallsReceived      uint64 `json:"receive_calls"`
		GROBatchesReceived uint64 `json:"gro_batches_received"`
		SendErrors         uint64 `json:"send_errors"`
		KernelDrops        uint64 `json:"receive_drops"`
	}
	jsonUsage struct {
		OwnUser   float64      `json:"own_user_seconds"`
		OwnSystem float64      `json:"own_system_seconds"`
		Steal     *float64     `json:"steal_seconds,omitempty"`
		Target    *jsonProcess `json:"target,omitempty"`
		Note      string       `json:"target_note,omitempty"`
	}
	jsonProcess struct {
		PID       int     `json:"pid"`
		User      float64 `json:"user_seconds"`
		System    float64 `json:"system_seconds"`
		PerAnswer float64 `json:"us_per_answer"`
		RSS       uint64  `json:"rss_bytes"`
	}
	jsonQuantile struct {
		Quantile float64 `json:"quantile"`
		Latency  float64 `json:"us"`
	}
	jsonPoint struct {
		Start     float64  `json:"start_seconds"`
		Length    float64  `json:"length_seconds"`
		Sent      uint64   `json:"sent"`
		Answered  uint64   `json:"answered"`
		Lost      uint64   `json:"lost"`
		Unsent    uint64   `json:"unsent"`
		Whoareyou uint64   `json:"whoareyou"`
		P50       float64  `json:"p50_us"`
		P99       float64  `json:"p99_us"`
		Max       float64  `json:"max_us"`
		OwnCPU    float64  `json:"own_cpu"`
		Steal     *float64 `json:"steal,omitempty"`
		TargetCPU *float64 `json:"target_cpu,omitempty"`
		TargetRSS uint64   `json:"target_rss_bytes,omitempty"`
	}
)

func latencyOf(h *load.Histogram) jsonLatency {
	return jsonLatency{
		Count: h.Count(), Mean: micros(h.Mean()), P50: micros(h.Quantile(0.5)), P90: micros(h.Quantile(0.9)), P99: micros(h.Quantile(0.99)),
		P999: micros(h.Quantile(0.999)), P9999: micros(h.Quantile(0.9999)), Max: micros(h.Max()),
	}
}

func (r *report) counts(c load.Counts, h *load.Histogram) jsonCounts {
	rate := 0.0
	if s := r.result.Elapsed.Seconds(); s > 0 {
		rate = float64(c.Answered) / s
	}
	return jsonCounts{c.Sent, c.Answered, c.Lost, c.Unsent, rate, latencyOf(h)}
}

// encode is the report as JSON.
func (r *report) encode() ([]byte, error) {
	b, err := json.MarshalIndent(r.json(), "", "  ")
	return append(b, '\n'), err
}

func (r *report) json() *jsonReport {
	c, i, res := &r.cfg, r.info, r.result
	j := &jsonReport{
		Schema: schema, Program: version.Line("loadgen"), Started: res.Started.UTC().Truncate(time.Millisecond),
		Target:   jsonTarget{c.Target.ID.String(), c.Target.Addr.String()},
		Settings: r.settings(),
		Generator: jsonGenerator{
			i.Path, i.Receive, i.GSO, i.GSOReason, i.GRO, i.GROReason, i.Sockets, i.Sources, i.Workers, i.GSOBatch, i.RecvBuffer, c.Poll,
			runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		},
		Checks: r.checks, Curve: curve(res.Latency),
	}
	if p := r.prepared; p.Sessions > 0 {
		j.Prepare = &jsonPrepare{p.Sessions, p.Failed, p.Elapsed.Seconds(), latencyOf(p.Latency)}
	}
	e, t := res.Events, res.Traffic
	j.Result = jsonResult{
		Sending: res.Sending.Seconds(), Elapsed: res.Elapsed.Seconds(), Interrupted: res.Interrupted,
		Total: r.counts(res.Total, res.Latency), Pending: res.Pending, Loss: res.Loss(), Kinds: map[string]jsonCounts{},
		Events: jsonEvents{
			e.Whoareyou, e.Rekeys, e.Resent, e.Accepted, e.Records, e.Asked, e.Late, e.Foreign, e.Unmatched, e.Malformed, e.Unopened, e.Stray,
		},
		Traffic: jsonTraffic{
			t.TxDatagrams, t.TxBytes, t.RxDatagrams, t.RxBytes, t.TxBatches, t.RxBatches, t.RxGRO, t.SendErrors.Sum(), t.KernelDrops,
		},
		Busy: res.Busy, Limits: append([]string{}, res.Limits()...),
		Usage: r.usage(),
	}
	if t := &res.Topics; c.Mix[load.RegTopic]+c.Mix[load.TopicQuery] > 0 {
		j.Result.Topics = &jsonTopics{
			t.Admitted, t.Quoted, t.Presented, t.Skipped, t.WaitMean().Seconds(), t.WaitMax.Seconds(), t.TicketMax,
			t.Ads, t.Empty, t.Auxiliary, t.BadWait, t.BadTicket, t.BadAds, t.BadAnswer,
		}
	}
	if res.Lag.Count() > 0 {
		lag := latencyOf(res.Lag)
		j.Result.Lag = &lag
	}
	for _, k := range res.Kinds {
		j.Result.Kinds[k.Kind.String()] = r.counts(k.Counts, k.Latency)
	}
	for _, p := range res.Points {
		j.Points = append(j.Points, pointOf(p))
	}
	return j
}

func (r *report) settings() jsonSettings {
	c, o := &r.cfg, r.options
	s := jsonSettings{
		Mix: map[string]int{}, Loop: "closed", Window: c.Window, Duration: o.duration.Seconds(), Warmup: o.warmup.Seconds(),
		Requests: o.requests, Timeout: c.Timeout.Seconds(), Identities: c.Identities, Protocol: string(c.Protocol.ID[:]),
	}
	for k, w := range c.Mix {
		if w > 0 {
			s.Mix[load.Kind(k).String()] = w
		}
	}
	if c.Rate > 0 {
		s.Loop, s.Rate, s.Arrivals = "open", c.Rate, o.arrivals
	}
	if c.Mix[load.FindNode]+c.Mix[load.RegTopic]+c.Mix[load.TopicQuery] > 0 {
		s.Distances = c.Distances
	}
	if c.Mix[load.RegTopic]+c.Mix[load.TopicQuery] > 0 {
		s.Topics = c.Topics
	}
	if c.Mix[load.RegTopic] > 0 {
		s.Tickets = c.Tickets.String()
	}
	if c.Mix[load.Talk] > 0 {
		s.Talk, s.TalkSize = c.TalkProtocol, c.TalkSize
	}
	if c.Mix[load.Handshake] > 0 {
		s.Handshake = c.Handshake.String()
	}
	if c.Mix[load.Junk] > 0 {
		s.JunkIDs = c.JunkIDs
	}
	return s
}

func (r *report) usage() jsonUsage {
	u := r.result.Usage
	j := jsonUsage{OwnUser: u.OwnUser.Seconds(), OwnSystem: u.OwnSystem.Seconds(), Note: r.note}
	if u.StealKnown {
		s := u.Steal.Seconds()
		j.Steal = &s
	}
	if u.TargetKnown {
		j.Target = &jsonProcess{PID: r.options.pid, User: u.TargetUser.Seconds(), System: u.TargetSystem.Seconds(), RSS: u.TargetRSS}
		if n := r.result.Total.Answered; n > 0 {
			j.Target.PerAnswer = micros(u.TargetUser+u.TargetSystem) / float64(n)
		}
	} else if r.result.TargetGone {
		j.Note = "the target's process ended during the run"
	}
	return j
}

func pointOf(p load.Point) jsonPoint {
	s := p.Length.Seconds()
	j := jsonPoint{
		Start: p.Start.Seconds(), Length: s, Sent: p.Counts.Sent, Answered: p.Counts.Answered, Lost: p.Counts.Lost, Unsent: p.Counts.Unsent,
		Whoareyou: p.Whoareyou, P50: micros(p.P50), P99: micros(p.P99), Max: micros(p.Max),
		OwnCPU: (p.Usage.OwnUser + p.Usage.OwnSystem).Seconds() / s,
	}
	if p.Usage.StealKnown {
		v := p.Usage.Steal.Seconds() / s
		j.Steal = &v
	}
	if p.Usage.TargetKnown {
		v := (p.Usage.TargetUser + p.Usage.TargetSystem).Seconds() / s
		j.TargetCPU, j.TargetRSS = &v, p.Usage.TargetRSS
	}
	return j
}

// curve is the latency at quantiles that come closer and closer to 1, as far as there are requests
// enough to tell.
func curve(h *load.Histogram) (list []jsonQuantile) {
	const steps = 8 // in each factor of ten of what lies above
	n := h.Count()
	if n == 0 {
		return []jsonQuantile{}
	}
	for i := 0; ; i++ {
		above := math.Pow(10, -float64(i)/steps)
		if above*float64(n) < 1 {
			break
		}
		list = append(list, jsonQuantile{1 - above, micros(h.Quantile(1 - above))})
	}
	return append(list, jsonQuantile{1, micros(h.Max())})
}
