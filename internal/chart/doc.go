// Package chart draws lines over an axis as SVG that can stand inside an HTML page: no other file,
// font or script is needed to show it.
//
// # Glossary
//
//   - line: a curve with a name, made of points in rising order of x
//   - mark: a place on an axis with a label of its own
//
// A [Chart] is a value that its caller owns. Nothing is kept between calls.
package chart
