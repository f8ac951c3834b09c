package statuspage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"sync"
	"time"
)

// renderInterval is the least time between two renderings: all requests in between get the same.
const renderInterval = time.Second

//go:embed page.html topics.html fleet.html page.css page.js icon.svg
var files embed.FS

// asset is a file of the page. Its path contains a hash of its content, so that browsers may keep
// it.
type asset struct {
	path    string
	kind    string
	content []byte
}

// assets are the style sheet, the script and the icon.
var assets = func() (list []asset) {
	for _, f := range []struct{ name, kind string }{
		{"page.css", "text/css; charset=utf-8"}, {"page.js", "text/javascript; charset=utf-8"}, {"icon.svg", "image/svg+xml"},
	} {
		b, err := fs.ReadFile(files, f.name)
		if err != nil {
			panic(err) // the files are part of the program
		}
		sum := sha256.Sum256(b)
		list = append(list, asset{"/assets/" + hex.EncodeToString(sum[:6]) + "/" + f.name, f.kind, b})
	}
	return list
}()

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"number": number, "duration": duration, "size": size, "time": timeText,
	"count":  func(n any) string { return fmt.Sprint(n) },
	"group":  func(n int) string { return thousands(n) },
	"groupU": func(n uint64) string { return thousands(n) },
	"bar":    func(n, of int) int { return percent(n, of) },
	"span":   func(seconds int) string { return span(time.Duration(seconds) * time.Second) },
	"assets": func(i int) string { return assets[i].path },
	"bars":   func(total int, list []Count) barList { return barList{total, list} },
	"cpu":    func(v *float64) string { return share(*v) },
	"plural": func(n uint64, noun string) string { return plural(int(n), noun) },
}).ParseFS(files, "page.html", "topics.html", "fleet.html"))

// barList is a list of groups with bars that show their part of a total.
type barList struct {
	Total int
	List  []Count
}

// percent returns n in percent of a total, at least 1 if it is not 0.
func percent(n, of int) int {
	if n <= 0 || of <= 0 {
		return 0
	}
	return min(max(100*n/of, 1), 100)
}

// timeText writes a time for the page.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// sectionNames are the parts of the page that change, in their order.
var sectionNames = []string{"health", "identity", "reach", "load", "charts", "peers", "latency", "drops", "limited", "table", "forks", "fleet", "topics", "events"}

// section is one rendered part of the page.
type section struct {
	name    string
	html    []byte
	version uint64 // of the rendering that changed it last
}

// rendered holds the newest rendering.
type rendered struct {
	mu       sync.Mutex
	at       time.Time
	version  uint64
	status   *Status
	page     []byte
	sections []section
	qr       qrCode
	qrOf     string // the record that qr encodes
}

// view is the data of the templates.
type view struct {
	*Status
	Charts   []chart
	QR       qrCode
	Version  uint64
	Program  string
	Name     string
	Sections map[string]template.HTML
}

// render brings the rendering up to date. The caller holds p.rendered.mu.
func (p *Page) render(now time.Time) error {
	r := &p.rendered
	if age := now.Sub(r.at); r.status != nil && age >= 0 && age < renderInterval {
		return nil
	}
	s := p.status(now)
	if s.Identity.Record != r.qrOf {
		qr, err := newQRCode(s.Identity.Record)
		if err != nil {
			return err
		}
		r.qr, r.qrOf = qr, s.Identity.Record
	}
	p.mu.Lock()
	v := view{Status: s, QR: r.qr, Program: s.Version, Name: p.cfg.Name, Charts: append(charts(&p.hour, "hour", "−1 h"), charts(&p.day, "day", "−24 h")...)}
	p.mu.Unlock()
	r.version++
	if r.sections == nil {
		for _, name := range sectionNames {
			r.sections = append(r.sections, section{name: name})
		}
	}
	v.Version, v.Sections = r.version, make(map[string]template.HTML)
	var b bytes.Buffer
	for i := range r.sections {
		b.Reset()
		sec := &r.sections[i]
		if err := templates.ExecuteTemplate(&b, sec.name, v); err != nil {
			return fmt.Errorf("render %s: %w", sec.name, err)
		}
		if !bytes.Equal(b.Bytes(), sec.html) {
			sec.html, sec.version = bytes.Clone(b.Bytes()), r.version
		}
		v.Sections[sec.name] = template.HTML(sec.html) // a template made it
	}
	b.Reset()
	if err := templates.ExecuteTemplate(&b, "page", v); err != nil {
		return fmt.Errorf("render the page: %w", err)
	}
	r.page, r.status, r.at = bytes.Clone(b.Bytes()), s, now
	return nil
}

// html returns the page.
func (p *Page) html(now time.Time) ([]byte, error) {
	p.rendered.mu.Lock()
	defer p.rendered.mu.Unlock()
	err := p.render(now)
	return p.rendered.page, err
}

// snapshot returns what GET /status returns.
func (p *Page) snapshot(now time.Time) (*Status, error) {
	p.rendered.mu.Lock()
	defer p.rendered.mu.Unlock()
	err := p.render(now)
	return p.rendered.status, err
}

// sections returns the sections that have changed after a version, and the version that they bring
// a reader to.
func (p *Page) sections(now time.Time, after uint64) (list []section, version uint64, err error) {
	p.rendered.mu.Lock()
	defer p.rendered.mu.Unlock()
	if err := p.render(now); err != nil {
		return nil, 0, err
	}
	for _, s := range p.rendered.sections {
		if s.version > after || after > p.rendered.version { // a reader of another process
			list = append(list, s)
		}
	}
	return list, p.rendered.version, nil
}
