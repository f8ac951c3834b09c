package eclipse

import (
	"context"
	"errors"
	"testing"
	"time"
)

// S34: a smaller form of `go run ./cmd/sim --attack`. An attacker with 16 /24s that comes before,
// with or after 100 honest nodes does not own what those relay, and keeps no late node out.
func TestS34Attack(t *testing.T) {
	for _, order := range []Order{Before, With, After} {
		t.Run(order.String(), func(t *testing.T) {
			t.Parallel()
			cfg := Config{Prefixes: 16, Order: order, Nodes: 100, Settle: 5 * time.Minute, Seed: 1}
			ours, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Rules = Geth
			geth, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("ours %+v", ours)
			t.Logf("geth %+v", geth)
			if ours.Relayed > 0.75 {
				t.Errorf("%.0f %% of the relayed records are hostile, want 75 %% at most", 100*ours.Relayed)
			}
			if ours.Refused > 0 {
				t.Errorf("%.0f %% of the lateNodes are refused", 100*ours.Refused)
			}
			if ours.Relayed > geth.Relayed+0.05 || ours.Refused > geth.Refused {
				t.Error("go-ethereum's rules do better")
			}
		})
	}
}

// Without an attacker both rules fill the tables with the same honest nodes.
func TestPeace(t *testing.T) {
	for _, r := range []Rules{Ours, Geth} {
		t.Run(r.String(), func(t *testing.T) {
			got, err := Run(t.Context(), Config{Rules: r, Nodes: 100, Settle: 5 * time.Minute, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			if got.Table != 0 || got.Relayed != 0 || got.Eclipsed != 0 || got.Refused > 0 || got.Members < 40 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Config{Nodes: 10}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
