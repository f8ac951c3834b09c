package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// phrase is an expression that this project avoids, and its replacement.
type phrase struct{ pattern, instead string }

// phrases are matched without regard to case, at word boundaries.
var phrases = []phrase{
	{`trains? of (?:datagrams|packets)|a train|trains`, "GSO or GRO batch; super-packet on the wire"},
	{`parted|dealt`, "split, packed"},
	{`(?:taken|takes?|took) apart`, "parsed, split"},
	{`sole`, "only, single"},
	{`outbox`, "send queue"},
	{`twins?`, "reference implementation"},
	{`departed`, "recently removed"},
	{`strangers?`, "unsolicited or unverified source, any host"},
	{`newcomers?`, "new source, new node"},
	{`(?:gives?|gave|given|giving) way`, "evicted, replaced"},
	{`greedy|worthless`, "over-represented, eviction score"},
	{`deaf`, "ignored until"},
	{`anew`, "a new, once more"},
	{`but for`, "except"},
	{`told of|(?:hears?|heard) of`, "learn"},
	{`of which`, "a second sentence"},
	{`to whom|whom`, "name the agent: the node that ..."},
	{`by itself|of its own accord`, "separately, by default, without help"},
	{`at once`, "immediately, concurrently, atomically"},
	{`goes on|going on|went on`, "continues, keeps"},
	{`is so that`, "because"},
	{`(?:came|comes?) to be`, "were made, began"},
	{`and the like`, "name them, or: such as"},
	{`dear(?:er|est)?`, "slow, expensive"},
	{`ghosts?|bury|buried`, "late slot, lost"},
	{`rooms`, "packages"},
	{`jobs?`, "task"},
	{`warmed|(?:to|it) warms?`, "prefetch"},
	{`farewell`, "without telling its peers"},
	{`told apart|tells? apart`, "distinguish"},
	{`be it that`, "whether"},
	{`as chance will have it|by chance`, "randomly"},
}

// sentences are constructions at the start of a sentence. Case matters.
var sentences = []phrase{
	{`What|Who|Whom|Whoever`, "make the agent the subject: \"The sender ...\""},
	{`Those (?:that|who|which)|One that`, "name the subject"},
	{`Of (?:these|those|several|them)`, "put the subject first"},
}

// compiled is the form of the tables that the test uses.
type compiled struct {
	expr    *regexp.Regexp
	instead string
}

func compile(t *testing.T) (list []compiled) {
	t.Helper()
	for _, p := range phrases {
		list = append(list, compiled{regexp.MustCompile(`(?i)\b(?:` + p.pattern + `)\b`), p.instead})
	}
	for _, p := range sentences {
		// A question may begin with any word.
		list = append(list, compiled{regexp.MustCompile(`(?:^|[.;:] )(?:` + p.pattern + `)\b[^?]*?(?:[.;:]|$)`), p.instead})
	}
	return list
}

// code is quoted code in prose.
var code = regexp.MustCompile("`[^`]*`|\"[^\"]*\"")

// checkProse reports the first avoided expression of a text.
func checkProse(t *testing.T, list []compiled, where, text string) {
	t.Helper()
	text = code.ReplaceAllString(strings.Join(strings.Fields(text), " "), "x")
	for _, c := range list {
		if found := c.expr.FindString(text); found != "" {
			t.Errorf("%s: %.60q; write: %s", where, strings.Trim(found, ".;: "), c.instead)
			return
		}
	}
}

// TestLanguage keeps expressions of the tables above out of comments, documents, and texts of
// programs such as errors and descriptions of flags and metrics.
func TestLanguage(t *testing.T) {
	list := compile(t)
	files(t, func(path string, text []byte) {
		switch {
		case path == "internal/archtest/language_test.go":
		case strings.HasSuffix(path, ".go"):
			checkGo(t, list, path, string(text))
		case strings.HasSuffix(path, ".md"):
			checkMarkdown(t, list, path, string(text))
		case strings.HasSuffix(path, ".s"), strings.HasSuffix(path, ".h"):
			checkAssembly(t, list, path, string(text))
		}
	})
}

// checkGo checks comments, and string literals of several words.
func checkGo(t *testing.T, list []compiled, path, text string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Comments {
		for paragraph := range strings.SplitSeq(group.Text(), "\n\n") {
			checkProse(t, list, set.Position(group.Pos()).String(), paragraph)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		if text, err := strconv.Unquote(lit.Value); err == nil && strings.Count(text, " ") > 2 {
			checkProse(t, list, set.Position(lit.Pos()).String(), text)
		}
		return true
	})
}

// checkMarkdown checks paragraphs and table rows outside code blocks.
func checkMarkdown(t *testing.T, list []compiled, path, text string) {
	fenced, start, paragraph := false, 0, []string{}
	flush := func() {
		checkProse(t, list, path+":"+strconv.Itoa(start+1), strings.Join(paragraph, " "))
		paragraph = nil
	}
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
			flush()
		case fenced || strings.HasPrefix(line, "    "):
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "|"):
			flush()
			start = i
			paragraph = append(paragraph, line)
		default:
			if len(paragraph) == 0 {
				start = i
			}
			paragraph = append(paragraph, line)
		}
	}
	flush()
}

func checkAssembly(t *testing.T, list []compiled, path, text string) {
	for i, line := range strings.Split(text, "\n") {
		if _, comment, ok := strings.Cut(line, "//"); ok {
			checkProse(t, list, path+":"+strconv.Itoa(i+1), comment)
		}
	}
}

func TestCheckProse(t *testing.T) {
	list := compile(t)
	for _, tt := range []struct {
		text string
		bad  bool
	}{
		{"The kernel splits a GSO batch.", false},
		{"The kernel parts a train of datagrams.", true},
		{"It compares both. What differs is an error.", true},
		{"What differs? The cause.", false},
		{"It is taken\napart later.", true},
		{"A value is `taken apart`.", false},
		{"Someone is partly trained.", false},
	} {
		t.Run(tt.text, func(t *testing.T) {
			text := code.ReplaceAllString(strings.Join(strings.Fields(tt.text), " "), "x")
			bad := slices.ContainsFunc(list, func(c compiled) bool { return c.expr.MatchString(text) })
			if bad != tt.bad {
				t.Errorf("bad: %v, want %v", bad, tt.bad)
			}
		})
	}
}
