//go:build linux

package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/shoal-ipc/shoal/process"
)

// chatter writes to both streams by turns and then ends as it is told.
type chatter struct {
	Lines int
	Then  string
}

var chat = process.Func("chat", func(_ context.Context, c chatter) error {
	for i := range c.Lines {
		to := os.Stdout
		if i%2 != 0 {
			to = os.Stderr
		}
		if _, err := fmt.Fprintf(to, "line %d %s\n", i, strings.Repeat("x", 200)); err != nil {
			return err
		}
	}
	switch c.Then {
	case "kill":
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit":
		os.Exit(4)
	}
	return nil
})

// What a child wrote to two streams that are one writer arrives whole and in
// order, however the child ends; and Wait is not done before it has arrived.
func TestOutputIsWhole(t *testing.T) {
	const lines = 5000 // more than pipes hold
	for _, then := range []string{"return", "exit", "kill"} {
		var out bytes.Buffer
		cmd := chat.Command(chatter{lines, then})
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run(deadline(t))
		if (err == nil) != (then == "return") {
			t.Errorf("%s: %v", then, err)
		}
		i := 0
		for line := range strings.Lines(out.String()) {
			if line != fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", 200)) {
				t.Fatalf("%s: line %d is %.40q", then, i, line)
			}
			i++
		}
		if i != lines {
			t.Errorf("%s: %d lines of %d", then, i, lines)
		}
	}
}

// Many children may write into buffers of their own at the same time.
func TestOutputOfMany(t *testing.T) {
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			var out, errs strings.Builder
			cmd := chat.Command(chatter{Lines: 100 + n})
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(deadline(t)); err != nil {
				t.Error(err)
			}
			if got := strings.Count(out.String()+errs.String(), "\n"); got != 100+n {
				t.Errorf("%d lines of %d", got, 100+n)
			}
		})
	}
	wg.Wait()
}

// A child whose reader has gone away ends by that, as any program in a pipe.
func TestOutputThatNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	cmd := chat.Command(chatter{Lines: 10})
	cmd.Stdout, cmd.Stderr = w, io.Discard
	child, err := cmd.Start(deadline(t))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if e := exitOf(t, child.Wait(deadline(t))); e.Signal != syscall.SIGPIPE {
		t.Errorf("%+v", e)
	}
}
