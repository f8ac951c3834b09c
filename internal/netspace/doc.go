// Package netspace makes network namespaces for tests and measurements on Linux. Each has a thread
// that lives in it.
//
//	s, err := netspace.New()
//	...
//	defer s.Close()
//	err = s.IP("link set lo up")
//	err = s.Do(func() (err error) { conn, err = net.ListenUDP(...); return err })
//
// The namespace ends when its thread has ended and nothing else uses it, such as a socket or a
// process. It needs the right to make one, CAP_SYS_ADMIN, and IP needs the program ip of iproute2.
package netspace
