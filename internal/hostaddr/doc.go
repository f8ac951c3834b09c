// Package hostaddr lists the addresses of this machine, chooses the one that others reach it at,
// and reports changes. It needs no privileges and sends no packet.
package hostaddr
