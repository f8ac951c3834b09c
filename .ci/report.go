//go:build ignore

// Report reads the output of "go test -json", mixed with other lines, and prints what a reader
// wants to see: the closing line of each package, the output of tests that failed, the names of
// those that were skipped, and all other lines. With -count it prints nothing but "N passed, N
// failed": tests and subtests, and packages that failed without a test of theirs having failed. It
// exits with 1 if anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

type event struct {
	Action, Package, ImportPath, Test, Output, FailedBuild string
}

func main() {
	count := flag.Bool("count", false, "print the counts only")
	flag.Parse()
	passed, failed := 0, 0
	output := map[string][]string{} // of tests that have not ended
	blamed := map[string]bool{}     // packages with a failed test
	show := func(s string) {
		if !*count && s != "" {
			fmt.Println(strings.TrimSuffix(s, "\n"))
		}
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if err != nil && line == "" {
			break
		}
		var e event
		if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
			show(line)
			continue
		}
		name := e.Package + " " + e.Test
		switch {
		case e.Action == "build-output":
			show(e.Output)
		case e.Action == "output" && e.Test == "":
			if t := strings.TrimSpace(e.Output); t != "PASS" && t != "" && !strings.HasPrefix(t, "coverage:") {
				show(e.Output)
			}
		case e.Action == "output":
			output[name] = append(output[name], e.Output)
		case e.Action == "pass" && e.Test != "":
			passed++
			delete(output, name)
		case e.Action == "skip" && e.Test != "":
			show("skipped: " + name + ": " + reason(output[name]))
			delete(output, name)
		case e.Action == "fail" && e.Test != "":
			failed++
			blamed[e.Package] = true
			show("failed: " + name)
			for _, o := range output[name] {
				show("    " + o)
			}
			delete(output, name)
		case e.Action == "fail" && !blamed[e.Package]:
			failed++
			for n, lines := range output { // a panic or a timeout: what its tests had printed
				if strings.HasPrefix(n, e.Package+" ") {
					show("unfinished: " + n)
					for _, o := range lines {
						show("    " + o)
					}
				}
			}
		}
	}
	if *count {
		fmt.Printf("%d passed, %d failed\n", passed, failed)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// reason is the message of a skipped test.
func reason(lines []string) string {
	for _, l := range lines {
		if t := strings.TrimSpace(l); t != "" && !strings.HasPrefix(t, "===") && !strings.HasPrefix(t, "---") {
			return t
		}
	}
	return "no reason given"
}
