package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// TestMain lets this binary be the program too.
func TestMain(m *testing.M) {
	if os.Getenv("ORDERS_TEST_RUN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestOrders(t *testing.T) {
	dir := t.TempDir()
	orders := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), "ORDERS_TEST_RUN=1", "SHOAL_DIR="+dir, "GORACE=atexit_sleep_ms=0")
		out := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, out
		return cmd, out
	}
	worker, made := orders("work")
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- worker.Wait() }()
	// An order that is put before the worker has come goes with the last user of
	// the segment: then it is put again.
	for served := false; !served; {
		put, out := orders("put", "tea")
		if err := put.Run(); err != nil {
			t.Fatal(err, out)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err, made)
			}
			served = true
		default:
		}
	}
	if made.String() != "making 1 tea\n" {
		t.Errorf("the worker said %q", made)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
