package results

import (
	"fmt"
	"regexp"
	"strconv"
)

// Fact is a figure that a test of this module prints.
type Fact struct {
	Name    string
	Value   float64
	Command string // what printed it
}

// FactSource is a test and the figures in its log.
type FactSource struct {
	Package string // directory in the module
	Test    string
	Finds   []Find
	Since   int // the first version of the file that has it
}

// Find is a figure in a log. The first group of the expression is the value.
type Find struct {
	Name    string
	Pattern string
}

// FactSources are all.
func FactSources() []FactSource {
	return []FactSource{
		{"internal/session", "TestSessionSize", []Find{
			{"session", `8192 sessions take (\d+) bytes`}, {"session and map", `100000 sessions take (\d+) bytes`},
		}, 2},
		{".", "TestNodeAllocations", []Find{{"datagrams", `(\d+) datagrams, \d+ of them`}, {"objects", `answered: (\d+) objects`}}, 2},
		{"topic", "TestMemoryBudget", []Find{{"1,000 ads", `1000 ads of 300 topics take (\d+) bytes`}, {"100,000 ads", `100000 ads of 300 topics take (\d+) bytes`}}, topics},
	}
}

// Facts reads the log of a test. The error wraps ErrForm if one is not there.
func (s FactSource) Facts(log []byte, command string) (list []Fact, err error) {
	for _, f := range s.Finds {
		m := regexp.MustCompile(f.Pattern).FindSubmatch(log)
		if m == nil {
			return nil, fmt.Errorf("%w: %s prints no %s", ErrForm, s.Test, f.Name)
		}
		v, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrForm, s.Test, err)
		}
		list = append(list, Fact{f.Name, v, command})
	}
	return list, nil
}
