//go:build !linux

package chaos

import "testing"

func TestChaos(t *testing.T) { t.Skip("needs network namespaces, which only Linux has") }
