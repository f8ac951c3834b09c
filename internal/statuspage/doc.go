// Package statuspage serves the status page of a bootnode: one live page, and the same as JSON.
//
//	p := statuspage.New(statuspage.Config{Node: node, Version: version})
//	p.Register(mux)
//	go p.Run(ctx)
//
// # How it works
//
// Run reads the node's counters once a second, and nothing else happens while nobody looks: the
// packet path knows nothing of the page.
//
//	counters --1 s--> sampler --20 s, 8 min--> rings of the last hour and day
//	                     |
//	table, addresses --> Status --> sections of HTML --> page, stream of server-sent events
//	                            \-> JSON
//
// A Status is made at most once in renderInterval, and so is the HTML, however many requests come:
// all viewers get the same bytes. The page consists of sections. A browser with JavaScript replaces
// each section when the stream says that it has changed; without JavaScript the page reloads
// itself.
//
// # Bounds
//
// Everything has a fixed size: rings of ringPoints points, sketches that estimate the number of
// distinct peers, counts of at most maxSources sources, the newest maxEvents events, and lists that
// show the largest entries and sum up the others. At most MaxStreams streams are open. A stream
// that does not take an update before the next one is closed and counted.
//
// # Input
//
// Records of other nodes hold text that their owners chose. The page shows it as text: printable
// quotes what does not print, html/template escapes it, and the Content-Security-Policy allows no
// script, style, image or connection but those of this server.
package statuspage
