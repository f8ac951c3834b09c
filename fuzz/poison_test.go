package fuzz

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/simnet"
)

// poison fills the memory of a batch that has ended. No packet or message begins with it.
const poison = 0xDB

func fill(b []byte) {
	for i := range b {
		b[i] = poison
	}
}

// A simulated network whose handshakes wait in queues works as any other, through restarts and
// loss. Built with the tag discv5debug, the engine poisons each task that it releases and panics
// where one is used afterwards.
func TestSimulatorPoisonsTasks(t *testing.T) {
	nodes := 30
	if testing.Short() {
		nodes = 12
	}
	n, err := simnet.New(simnet.Config{Seed: 1, Conditions: simnet.Conditions{Loss: 0.02}, InsecureCurve: true, TaskTime: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.NewSwarm(simnet.SwarmConfig{
		Nodes: nodes, Churn: 2, Return: 0.5, Downtime: time.Minute, Lookups: 600, Settled: 2 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Join(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(10 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := n.Check(); err != nil {
		t.Error(err)
	}
	if n.CheckSessions(10) == 0 {
		t.Error("no sessions were compared")
	}
	if p := s.Sample(); p.Entries < float64(nodes)/3 || p.Lookups.Ended == 0 || p.Lookups.RecallSettled < 0.9 {
		t.Errorf("%+v", p)
	}
}
