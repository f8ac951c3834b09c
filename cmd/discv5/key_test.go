package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hexFile, rawFile, backFile := filepath.Join(dir, "key"), filepath.Join(dir, "raw"), filepath.Join(dir, "back")

	made := objects(t, "key", "generate", hexFile)[0]
	digits, err := os.ReadFile(hexFile)
	if err != nil || len(digits) != 65 || digits[64] != '\n' {
		t.Fatalf("key file has %d bytes, %v", len(digits), err)
	}
	if runtime.GOOS != "windows" && mode(t, hexFile) != 0o600 {
		t.Errorf("key file has mode %o", mode(t, hexFile))
	}
	secret := strings.TrimSpace(string(digits))

	// To the other form and back.
	must(t, "key", "convert", hexFile, rawFile)
	if raw, err := os.ReadFile(rawFile); err != nil || len(raw) != 32 {
		t.Fatalf("raw key file has %d bytes, %v", len(raw), err)
	}
	must(t, "key", "convert", rawFile, backFile)
	if back, _ := os.ReadFile(backFile); !bytes.Equal(back, digits) {
		t.Error("key changed on the way to the raw form and back")
	}
	for _, path := range []string{hexFile, rawFile} {
		i := objects(t, "key", "inspect", path)[0]
		if i["nodeId"] != made["nodeId"] || i["publicKey"] != made["publicKey"] || i["secret"] != nil {
			t.Errorf("inspect %s: %v, want %v", path, i, made)
		}
	}
	if r := tryInput(t, string(digits), "key", "inspect", "-"); r.code != cli.ExitOK || !strings.Contains(r.out, made["nodeId"].(string)) {
		t.Errorf("inspect of standard input: %+v", r)
	}

	// Only --secret prints the private key.
	for _, args := range [][]string{{"key", "inspect", hexFile}, {"key", "convert", "--force", hexFile, rawFile}, {"enr", "make", "--key", hexFile}, {"key", "inspect", hexFile, "--json"}} {
		if r := try(t, args...); r.code != cli.ExitOK || strings.Contains(r.out+r.err, secret) {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if !strings.Contains(must(t, "key", "inspect", "--secret", hexFile), secret) {
		t.Error("inspect --secret does not print the key")
	}
	if must(t, "key", "convert", rawFile, "-") != string(digits) {
		t.Error("convert to standard output does not print the key")
	}
	if out := must(t, "key", "generate", "-"); len(out) != 65 {
		t.Errorf("generate to standard output: %d bytes", len(out))
	}

	// An existing file is not replaced.
	if r := try(t, "key", "generate", hexFile); r.code != cli.ExitFailed {
		t.Errorf("generate over a file: exit code %d", r.code)
	} else {
		checkLine(t, r, "exists")
	}
	if now, _ := os.ReadFile(hexFile); !bytes.Equal(now, digits) {
		t.Fatal("generate replaced a key")
	}
	must(t, "key", "generate", "--force", "--format", "raw", hexFile)
	if now, _ := os.ReadFile(hexFile); len(now) != 32 {
		t.Error("generate --force did not replace the key")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("files left over: %v", left)
	}
}

func TestKeyReadableByOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("probed for file modes: this platform has none")
	}
	path := file(t, "key", strings.Repeat("11", 32)+"\r\n")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := try(t, "key", "inspect", path); r.code != cli.ExitOK || !strings.Contains(r.err, "mode 0644") {
		t.Errorf("%+v", r)
	}
}

// Errors do not quote a key with a typing error.
func TestKeyNotQuoted(t *testing.T) {
	typo := strings.Repeat("1f", 31) + "g1"
	for _, r := range []result{try(t, "enr", "make", "--key", typo), try(t, "key", "inspect", file(t, "key", typo)), tryInput(t, typo, "key", "inspect", "-")} {
		if r.code != cli.ExitUsage || strings.Contains(r.err, typo[:16]) {
			t.Errorf("%+v", r)
		}
	}
}
