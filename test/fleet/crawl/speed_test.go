package crawl_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// speedVariable holds the number of rounds of TestFleetSpeed; make fleet-crawl sets it.
const speedVariable = "DISCV5_FLEET_CRAWL"

const (
	speedNodes    = 20_000
	speedParallel = 64 // few enough that a worker waits for answers and not for a processor
	speedWorkers  = 4
)

// With four workers a crawl takes little more than a quarter of the time where the network is the
// limit: 20,000 nodes whose round trips take 20 to 300 ms. Rounds with one worker and with four
// take turns.
func TestFleetSpeed(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv(speedVariable))
	if rounds == 0 {
		t.Skip("takes minutes: make fleet-crawl")
	}
	s := startServer(t)
	network := simulate(t, speedNodes, 1)
	var one, all, ratios []float64
	for i := range rounds {
		a := network.round(t, s, fmt.Sprintf("one-%d", i), 1)
		b := network.round(t, s, fmt.Sprintf("all-%d", i), speedWorkers)
		one, all, ratios = append(one, a), append(all, b), append(ratios, a/b)
		t.Logf("round %d: one worker %.1f s, %d workers %.1f s, ratio %.2f", i+1, a, speedWorkers, b, a/b)
	}
	ratio := median(ratios)
	t.Logf("%d nodes, %d of them answer: one worker %.1f s, %d workers %.1f s, %.2f times as fast (medians of %d rounds)", len(network.nodes), network.answering(), median(one), speedWorkers, median(all), ratio, rounds)
	if ratio < 0.8*speedWorkers {
		t.Errorf("%d workers are %.2f times as fast as one", speedWorkers, ratio)
	}
}

// round crawls the network with a number of workers, and returns how many seconds that takes from
// the start of the first one to the end of the last one.
func (s *simulated) round(t *testing.T, server *natsServer, name string, workers int) float64 {
	t.Helper()
	s.forget()
	server0, network0 := processorTime(server.P.Cmd.Process.Pid), processorTime(os.Getpid())
	began := time.Now()
	var list []*crawler
	for range workers {
		list = append(list, crawl(t, server, name, "--bootnodes", s.boot(), "--parallel", strconv.Itoa(speedParallel), "--timeout", "30m", "--request-timeout", "1s"))
	}
	var spread []int
	var used time.Duration // of the processors
	for _, w := range list {
		sum, code := w.end(t)
		if code != 0 || !sum.Fleet.Complete || sum.Answered != s.answering() {
			t.Fatalf("exit code %d, %+v\n%s", code, sum, w.p.Log)
		}
		spread = append(spread, sum.Fleet.Visited)
		state := w.p.Cmd.ProcessState
		used += state.UserTime() + state.SystemTime()
	}
	took := time.Since(began).Seconds()
	s.visits(t, 0)
	t.Logf("%d workers: %.1f s, visited %v; seconds of processor time: workers %.0f, server %.0f, network %.0f", workers, took, spread,
		used.Seconds(), (processorTime(server.P.Cmd.Process.Pid) - server0).Seconds(), (processorTime(os.Getpid()) - network0).Seconds())
	return took
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
