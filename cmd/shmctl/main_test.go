package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The tests run the real program against real segments of real processes: this
// binary is, by environment, also shmctl and the applications that it looks at.
const roleVariable = "SHMCTL_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "shmctl":
		main()
	case "app":
		serveApp()
	default:
		os.Exit(m.Run())
	}
}

// watchdog is how long anything may take before a test gives up.
const watchdog = time.Minute

// environ is the environment of a child. In race builds it does not linger.
func environ(role, dir string) []string {
	return append(os.Environ(), roleVariable+"="+role, "SHOAL_DIR="+dir, "GORACE=atexit_sleep_ms=0")
}

// outcome is what a run of shmctl wrote and how it ended.
type outcome struct {
	out, err string
	code     int
}

// shmctl runs the program on the segments in dir.
func shmctl(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	ctx := t.Context()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = environ("shmctl", dir)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	timer := time.AfterFunc(watchdog, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	o := outcome{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
	t.Logf("shmctl %s: exit %d\n%s%s", strings.Join(args, " "), o.code, o.out, o.err)
	return o
}

// look runs a command that must change nothing, and checks that it did not.
func look(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	before := sums(t, dir)
	o := shmctl(t, dir, args...)
	after := sums(t, dir)
	if len(before) != len(after) {
		t.Errorf("shmctl %v: %d files before, %d after", args, len(before), len(after))
	}
	for name, sum := range before {
		if after[name] != sum {
			t.Errorf("shmctl %v changed %s", args, name)
		}
	}
	return o
}

// sums returns a checksum of each file in dir.
func sums(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][32]byte{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name()] = sha256.Sum256(b)
	}
	return all
}

// parse reads the JSON form of a command's result.
func parse[T any](t *testing.T, o outcome) T {
	t.Helper()
	var x T
	d := json.NewDecoder(strings.NewReader(o.out))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		t.Fatalf("%v in %s", err, o.out)
	}
	return x
}

func wantCode(t *testing.T, o outcome, code int) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d", o.code, code)
	}
}

func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

func wantNoText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q should not be in:\n%s", p, text)
		}
	}
}
