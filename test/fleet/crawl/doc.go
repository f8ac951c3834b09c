// Package crawl tests crawls of a fleet: processes of the tool, a server of NATS, and a network of
// thousands of nodes on loopback. The measurement with 20,000 nodes runs by make fleet-crawl.
package crawl
