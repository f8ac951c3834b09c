package limits

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fastdisc/discv5/internal/quote"
)

// MaxRules is the largest number of rules that ParseRules accepts.
const MaxRules = 1 << 20

// ErrTooManyRules reports a file with more than MaxRules rules.
var ErrTooManyRules = errors.New("limits: too many rules")

// errFields reports a line with more than a target and a duration.
var errFields = errors.New("limits: extra text after target and duration")

// Rule is one line of a rules file.
type Rule struct {
	Target Target
	// For is the duration of the rule from the time of Update; 0 means forever.
	For time.Duration
	// Line is the line number, from 1; 0 for a rule that was not read from a file.
	Line int
}

// RuleError reports an invalid line of a rules file.
type RuleError struct {
	Line int // from 1
	Text string
	Err  error // ErrTarget, ErrDuration, ErrTooManyRules or an error of the reader
}

// Error names the line and quotes its beginning.
func (e *RuleError) Error() string {
	return fmt.Sprintf("limits: line %d: %s: %v", e.Line, quote.Text(e.Text), e.Err)
}

// Unwrap returns e.Err.
func (e *RuleError) Unwrap() error { return e.Err }

// ParseRules reads one rule per line: a target in the form of ParseTarget and optionally, after
// white space, a duration such as "90m" or "30d". A "#" starts a comment. A file holds targets
// only: the caller decides whether to ban, permit or netrestrict them.
//
//	192.0.2.0/24          # a network, forever
//	2001:db8::1  12h
//	a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7  30d
//
// The error is a *RuleError, and then ParseRules returns no rules.
func ParseRules(r io.Reader) ([]Rule, error) {
	var rules []Rule
	scan := bufio.NewScanner(r)
	n := 0
	for scan.Scan() {
		n++
		line, _, _ := strings.Cut(scan.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		rule := Rule{Line: n}
		var err error
		switch {
		case len(rules) == MaxRules:
			err = ErrTooManyRules
		case len(fields) > 2:
			err = errFields
		default:
			if rule.Target, err = ParseTarget(fields[0]); err == nil && len(fields) == 2 {
				rule.For, err = parseDuration(fields[1])
			}
		}
		if err != nil {
			return nil, &RuleError{n, clip(strings.TrimSpace(line)), err}
		}
		rules = append(rules, rule)
	}
	if err := scan.Err(); err != nil {
		return nil, &RuleError{Line: n + 1, Err: err}
	}
	return rules, nil
}

// parseDuration accepts the form of time.ParseDuration, and whole days such as "30d".
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		const day = 24 * time.Hour
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n == 0 || n > uint64(math.MaxInt64/day) {
			return 0, ErrDuration
		}
		return time.Duration(n) * day, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, ErrDuration
	}
	return d, nil
}

// clip bounds the part of a line that an error quotes.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
