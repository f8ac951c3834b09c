package version

import (
	"runtime"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	got := Line("bootnode")
	if !strings.HasPrefix(got, "bootnode ") || !strings.HasSuffix(got, " "+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH) || len(strings.Fields(got)) < 4 {
		t.Errorf("%q", got)
	}
}
