package atomicfile

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

const (
	killedVariable = "ATOMICFILE_TEST_WRITE"
	killedSize     = 4 << 20
)

// TestMain is also the process that TestKilledWriter kills: it writes without end.
func TestMain(m *testing.M) {
	path := os.Getenv(killedVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	content := bytes.Repeat([]byte("x"), killedSize)
	for i := 0; ; i++ {
		if err := Write(path, content, Options{Mode: 0o600, Keep: true}); err != nil {
			os.Exit(1)
		}
		if i == 0 {
			os.Stdout.WriteString("written\n")
		}
	}
}

// A process that is killed while it writes leaves the file whole, and nothing else.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if runtime.GOOS != "linux" {
		t.Skip("probed for files without a name: this platform has none, and the next write removes what is left")
	}
	if f, named, err := open(path, 0o600); err != nil || named {
		if f != nil {
			f.Close()
			os.Remove(f.Name())
		}
		t.Skipf("probed for files without a name: this file system has none (%v)", err)
	} else {
		f.Close()
	}
	for i := range 8 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killedVariable+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Errorf("the writer ended: %q, %v", line, err)
		}
		time.Sleep(time.Duration(3*i) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		info, err := os.Stat(path)
		if err != nil || info.Size() != killedSize {
			t.Fatalf("%v, %v", info, err)
		}
		// The name next to it exists for an instant, with all of the content, and the next write
		// takes it over.
		left := slices.DeleteFunc(names(t, dir), func(name string) bool { return name == "file" })
		for _, name := range left {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() != killedSize || name != filepath.Base(temporary(path, "")) {
				t.Errorf("left over: %q", left)
			}
		}
	}
	if err := Write(path, nil, Options{Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("files %q", got)
	}
}
