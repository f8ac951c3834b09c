package soak

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// patience bounds every wait for something that happens without a call.
const patience = 60 * time.Second

// Settings from the environment.
const (
	envTime = "DISCV5_SOAK"      // how long a soak or a flood takes, like 1h
	envRate = "DISCV5_SOAK_RATE" // requests in a second of a soak, of all kinds together
	envOut  = "DISCV5_SOAK_OUT"  // the directory for samples and curves
	// how long each flood takes; a soak's time does not count for floods
	envFlood = "DISCV5_SOAK_FLOOD"
)

// setting reads a duration of the environment; def if it is not set.
func setting(t *testing.T, name string, def time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return def
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > 24*time.Hour {
		t.Fatalf("%s=%q: want a duration from 1s to 24h", name, text)
	}
	return d
}

// rate reads the number of requests in a second.
func rate(t *testing.T) float64 {
	t.Helper()
	text := os.Getenv(envRate)
	if text == "" {
		return lighter(1500.0)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 30 && n <= 1_000_000) {
		t.Fatalf("%s=%q: want a number from 30 to 1000000", envRate, text)
	}
	return n
}

// directory is where files go.
func directory(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(envOut)
	if dir == "" {
		return t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lighter is a tenth of a number where the race detector makes everything, the generators too, many
// times slower.
func lighter[T int | float64](n T) T {
	if raceEnabled {
		return n / 10
	}
	return n
}

// shorter is half of a time there.
func shorter(d time.Duration) time.Duration {
	if raceEnabled {
		return d / 2
	}
	return d
}
