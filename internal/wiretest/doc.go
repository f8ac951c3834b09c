// Package wiretest has what tests of the protocol share: [Peer], a node that a test scripts packet
// by packet, and [Net], a small network for engines and nodes. It imports neither of these, so that
// their own tests can use it. Tests of whole nodes use package simnet.
package wiretest
