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

// MaxRules is how many rules ParseRules takes.
const MaxRules = 1 << 20

// ErrTooManyRules: a file has more than MaxRules rules.
var ErrTooManyRules = errors.New("limits: too many rules")

// errFields: a line has more than a target and a duration.
var errFields = errors.New("limits: more than a target and a duration")

// Rule is one line of a rules file.
type Rule struct {
	Target Target
	// For is for how long the rule holds from when it is applied; 0 means forever.
	For time.Duration
	// Line is where it stands, from 1; 0 for a rule from elsewhere.
	Line int
}

// RuleError says which line of a rules file is wrong, and how.
type RuleError struct {
	Line int // from 1
	Text string
	Err  error // ErrTarget, ErrDuration, ErrTooManyRules or one of the reader's
}

// Error names the line.
func (e *RuleError) Error() string {
	return fmt.Sprintf("limits: line %d: %s: %v", e.Line, quote.Text(e.Text), e.Err)
}

// Unwrap returns Err.
func (e *RuleError) Unwrap() error { return e.Err }

// ParseRules reads one rule a line: a target as ParseTarget reads it, and optionally a duration
// like "90m" or "30d" after white space. What follows "#" is a comment. A file holds targets only:
// whether they are banned, permitted or a netrestrict is up to the caller.
//
//	192.0.2.0/24          # a network, forever
//	2001:db8::1  12h
//	a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7  30d
//
// The error is a *RuleError; no rules are returned with it.
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

// parseDuration reads what time.ParseDuration reads, and whole days.
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

// clip bounds what an error repeats of a line.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
