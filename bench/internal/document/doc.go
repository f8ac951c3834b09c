// Package document makes PERF.md and its pictures from a results file. The text that people
// write is in a template, bench/perf.md.tmpl; figures come from the file alone.
//
// # Glossary
//
//   - template: Markdown with places for figures, in the language of text/template
//   - place: a call of a function in the template, such as {{workloads}}; see [Functions]
//   - picture: an SVG file that the document shows
//
// Nothing is written if figures are missing: a document must not have holes that nobody sees.
package document
