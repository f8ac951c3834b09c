package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Topics is what cmd/perftopics has found: what a registrar of topics takes for its requests.
type Topics struct {
	Date     time.Time
	Machine  Machine
	Commands []string
	Rounds   int // of the stages
	// Load has the workloads on this node, each measured in a run of its own.
	Load         []Row
	LoadDate     time.Time
	LoadMachine  Machine
	LoadCommands []string
	// Stages were measured in turn with the instructions that the processor has, Plain without
	// those for four blocks of AES-GCM at a time.
	Stages, Plain []TopicStage
	// Times are those of steps in the registrar, in nanoseconds, by the name of their benchmark.
	Times []Stage
	Facts []Fact // bytes
}

// TopicStage is the cost of a datagram in the engine, without system calls: medians over the
// rounds.
type TopicStage struct {
	Name             string // that of the benchmark's metrics
	Nanos            float64
	Ratio, Low, High float64 // to the stage that it is compared with, and quartiles; 0 without one
}

// TopicRow says how a TopicStage is shown, and what it may take.
type TopicRow struct {
	Stage, Title string
	Base         string  // the title of what it is compared with
	Budget       float64 // the largest ratio; 0 for none
}

// TopicRows are those of the document.
func TopicRows() []TopicRow {
	return []TopicRow{
		{"ping", "PING", "", 0},
		{"known", "REGTOPIC, ad in the cache", "PING", 3},
		{"ticket", "REGTOPIC, gets a ticket", "PING", 3},
		{"again", "REGTOPIC, has a ticket and gets another", "PING", 3},
		{"admitted", "REGTOPIC, admitted", "PING", 3},
		{"auxiliary=3", "REGTOPIC, gets a ticket and 3 auxiliary records", "PING", 0},
		{"findnode", "FINDNODE, 16 records", "", 0},
		{"topicquery", "TOPICQUERY, 10 ads and 3 auxiliary records", "FINDNODE", 1.1},
	}
}

// TopicStages reads the metrics of BenchmarkTopicRounds. The error wraps ErrMissing if one is not
// there.
func TopicStages(b Benchmark) (list []TopicStage, err error) {
	for _, r := range TopicRows() {
		s := TopicStage{Name: r.Stage}
		for _, m := range []struct {
			unit  string
			value *float64
		}{{"-ns", &s.Nanos}, {"-ratio", &s.Ratio}, {"-low", &s.Low}, {"-high", &s.High}} {
			v, ok := b.Values[r.Stage+m.unit]
			if !ok && (m.unit == "-ns" || r.Base != "") {
				return nil, fmt.Errorf("%w: %s of Benchmark%s", ErrMissing, r.Stage+m.unit, b.Name)
			}
			*m.value = v
		}
		list = append(list, s)
	}
	return list, nil
}

// Stage returns the stage with a name of a list. ok is false if it has none.
func (t *Topics) Stage(list []TopicStage, name string) (s TopicStage, ok bool) {
	for _, s := range list {
		if s.Name == name {
			return s, true
		}
	}
	return s, false
}

// LoadTopics reads a file of cmd/perftopics. It returns nil if there is none.
func LoadTopics(path string) (*Topics, error) {
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := new(Topics)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrForm, path, err)
	}
	return t, nil
}

// Save writes the file.
func (t *Topics) Save(path string) error {
	b, err := json.MarshalIndent(t, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
