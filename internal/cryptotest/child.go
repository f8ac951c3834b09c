package cryptotest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Environment variables. UnderGODEBUG sets childVariable in the processes that it starts.
// runnerVariable names the program that runs binaries of this test's processor, if the machine has
// another one.
const (
	childVariable  = "DISCV5_TEST_CHILD"
	runnerVariable = "DISCV5_TEST_RUNNER"
)

// UnderGODEBUG reruns the calling test in new processes, one for each setting of GODEBUG, and fails
// if the test fails there. It returns true in such a process and false in the first one.
func UnderGODEBUG(t *testing.T, settings ...string) (child bool) {
	t.Helper()
	if os.Getenv(childVariable) != "" {
		return true
	}
	for _, s := range settings {
		args := []string{os.Args[0], "-test.run", "^" + t.Name() + "$", "-test.v"}
		if runner := os.Getenv(runnerVariable); runner != "" {
			args = append([]string{runner}, args...)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "GODEBUG="+s, childVariable+"=1")
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "FIPS 140-3 mode is incompatible with the purego build tag") {
			t.Skip("probed for FIPS 140-3 mode: a build with the tag purego does not start in it")
		}
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("under GODEBUG=%s: %v\n%s", s, err, out)
		}
	}
	return false
}
