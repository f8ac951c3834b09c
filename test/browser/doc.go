// Package browser tests the bootnode's status page in a real browser: Chromium, driven by the
// DevTools protocol. It is a module of its own, so that nothing else of this repository depends on
// what drives a browser.
//
// The tests need Chromium and, for accessibility, npm, which fetches axe-core by its lock file.
// They skip and say so where these are missing. With BROWSER_SCREENSHOTS=DIR they write pictures.
package browser
