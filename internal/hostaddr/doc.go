// Package hostaddr knows the addresses of this machine: which there are, which one the system sends
// from, and when that changes. It needs no privileges and sends nothing.
package hostaddr
