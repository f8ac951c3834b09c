// Command newpeers measures how many new peers, 100 ms away, make their handshake at the first try
// beside a flood of messages under false names: each message of another node ID, so that the node
// takes it for one of a new peer.
//
//	go run ./cmd/newpeers [-before program] [-rounds n] [-slice d] [-rate n] [-o file]
//
// It is run in bench/. The node has its default room for challenges. It runs in a process of its
// own on one CPU; the new peers, and the flood in a process of lower priority, share another. With
// -before a second node is measured in turn with it: the one in the given program, which is
// cmd/perf as built from commit 4839a4a, see `make newpeers`.
//
// Loopback addresses are exempt from the limits by source, so that the flood is what a flood from
// all networks would be.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/load"
)

const (
	trip     = 100 * time.Millisecond
	patience = time.Second
	// of the flood before the new peers: longer than a challenge lives
	lead     = 1200 * time.Millisecond
	junkSize = 98 // of a PING

	beforeChallenges = 32768 // default of commit 4839a4a
)

func main() {
	if spec, ok, err := serve.ChildSpec(); ok {
		if err == nil {
			err = serve.Main(spec, os.Stdin, os.Stdout)
		}
		fail(err)
		return
	}
	before := flag.String("before", "", "measure the node in this program too: cmd/perf of another commit")
	rounds := flag.Int("rounds", 5, "rounds")
	slice := flag.Duration("slice", 2*time.Second, "length of one measurement")
	rate := flag.Float64("rate", 50, "new peers in a second")
	out := flag.String("o", "", "write the figures to this file as JSON")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 1 || *slice <= 0 || *rate <= 0 || *rate > 1000 {
		fmt.Fprintln(os.Stderr, "newpeers: want -rounds 1 or more, -slice above 0, -rate above 0 and up to 1000, and no arguments")
		os.Exit(2)
	}
	fail(run(*before, *rounds, *slice, *rate, *out))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "newpeers:", err)
		os.Exit(1)
	}
}

// victim is a node with the figures of each rate.
type victim struct {
	name  string
	child *serve.Child
	rows  []results.NewPeerRow
}

func run(before string, rounds int, slice time.Duration, rate float64, out string) error {
	cpus, err := serve.CPUs()
	if err != nil {
		return err
	}
	report := results.NewPeers{
		Date: time.Now().UTC().Truncate(time.Second), Machine: results.Here(len(cpus)), Challenges: [2]int{beforeChallenges, discv5.DefaultMaxChallenges}, Trip: trip, Rate: rate, Slice: slice,
		Commands: []string{"go run ./cmd/newpeers " + strings.Join(os.Args[1:], " ")},
	}
	server, driver := cpus[len(cpus)-1], cpus[0]
	if err := serve.Pin(driver); err != nil {
		return fmt.Errorf("bind the load generator to CPU %d: %w", driver, err)
	}
	runtime.GOMAXPROCS(1)
	junk, err := serve.Start(serve.Spec{Kind: serve.KindFlood}, driver)
	if err != nil {
		return err
	}
	defer junk.Close()
	var list []*victim
	for _, v := range []struct {
		name, program string
		challenges    int
	}{{results.Own, "", discv5.DefaultMaxChallenges}, {results.Before, before, beforeChallenges}} {
		if v.name == results.Before && before == "" {
			continue
		}
		key, err := enr.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		secret := key.Bytes()
		spec := serve.Spec{Kind: serve.KindNode, Key: hex.EncodeToString(secret[:]), Sessions: 1 << 14, Challenges: v.challenges}
		child, err := serve.StartProgram(v.program, spec, server)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		defer child.Close()
		one := &victim{name: v.name, child: child}
		for _, r := range results.NewPeerJunk() {
			one.rows = append(one.rows, results.NewPeerRow{Server: v.name, Junk: r})
		}
		list = append(list, one)
	}
	for round := range rounds {
		for i := range list {
			v := list[(i+round)%len(list)]
			for k := range v.rows {
				if err := v.once(junk, &v.rows[k], slice, rate); err != nil {
					return fmt.Errorf("%s beside %d a second: %w", v.name, v.rows[k].Junk, err)
				}
			}
		}
	}
	for _, v := range list {
		report.Rows = append(report.Rows, v.rows...)
	}
	for _, r := range report.Rows {
		_, part, _ := results.Quartiles(r.Parts)
		_, sent, _ := results.Quartiles(r.Sent)
		fmt.Printf("%-15s %7d asked, %7.0f sent a second: %5.1f %% of new peers at the first try\n", r.Server, r.Junk, sent, 100*part)
	}
	if out == "" {
		return nil
	}
	return report.Save(out)
}

// once measures one slice. Before it, challenges of the last one end.
func (v *victim) once(junk *serve.Child, row *results.NewPeerRow, slice time.Duration, rate float64) error {
	time.Sleep(lead)
	to, err := load.ParseTarget(v.child.Ready.Records[0], false)
	if err != nil {
		return err
	}
	to.Addr = v.child.Addr
	g, err := load.New(load.Config{Target: to, Mix: load.Only(load.Handshake), Rate: rate, Sockets: 1, Timeout: patience, Trip: trip})
	if err != nil {
		return err
	}
	defer g.Close()
	d := lead + slice + trip
	if row.Junk > 0 {
		if _, err := junk.Do(serve.Command{Op: "aim", To: v.child.Addr.String(), Record: v.child.Ready.Records[0], Sizes: []int{junkSize}}); err != nil {
			return err
		}
	}
	before, err := v.child.Usage()
	if err != nil {
		return err
	}
	type flooded struct {
		sent int
		err  error
	}
	done := make(chan flooded, 1)
	if row.Junk == 0 {
		done <- flooded{}
	} else {
		go func() {
			r, err := junk.Do(serve.Command{Op: "flood", Rate: float64(row.Junk), For: d})
			done <- flooded{r.Sent, err}
		}()
		time.Sleep(lead)
	}
	r, err := g.Run(context.Background(), load.Plan{For: slice})
	f := <-done
	if err := errors.Join(err, f.err); err != nil {
		return err
	}
	after, err := v.child.Usage()
	if err != nil {
		return err
	}
	sent := float64(f.sent)
	row.Sent = append(row.Sent, sent/d.Seconds())
	row.Parts = append(row.Parts, float64(r.Total.Answered)/float64(max(r.Total.Sent, 1)))
	row.Dropped = append(row.Dropped, max(0, 1-float64(after.RxPackets-before.RxPackets)/max(sent, 1)))
	return nil
}
