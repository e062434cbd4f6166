package pool_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

func TestErrors(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2})
	for range 3 {
		_, err := behave.Call(ctx, p, "fail")
		var remote *process.RemoteError
		if !errors.As(err, &remote) || !errors.Is(err, io.ErrUnexpectedEOF) || remote.Message != "it went wrong: unexpected EOF" {
			t.Fatalf("an error: %T %v", err, err)
		}
		_, err = behave.Call(ctx, p, "panic")
		if !errors.As(err, &remote) || !remote.Panic || !strings.Contains(remote.Stack, "pool_test.do(") {
			t.Fatalf("a panic: %T %v", err, err)
		}
		_, err = behave.Call(ctx, p, "goexit")
		if !errors.As(err, &remote) {
			t.Fatalf("goexit: %T %v", err, err)
		}
		if x, err := behave.Call(ctx, p, "well"); err != nil || x != "well" {
			t.Fatal(x, err)
		}
	}
}

func TestDeath(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2})
	for range 5 {
		_, err := behave.Call(ctx, p, "kill")
		var died *pool.WorkerDiedError
		if !errors.As(err, &died) || died.Err == nil || died.Err.Signal != syscall.SIGKILL || died.Attempts != 1 {
			t.Fatalf("killed: %T %v", err, err)
		}
		_, err = behave.Call(ctx, p, "exit")
		if !errors.As(err, &died) || died.Err == nil || died.Err.Code != 3 || died.Attempts != 1 {
			t.Fatalf("exit: %T %v", err, err)
		}
		if x, err := behave.Call(ctx, p, "well"); err != nil || x != "well" {
			t.Fatal(x, err)
		}
	}
}

func TestTimeLimit(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 1, Grace: 50 * time.Millisecond})
	for _, how := range []string{"wait", "stubborn"} {
		short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		_, err := behave.Call(short, p, how)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s: %v", how, err)
		}
		if x, err := behave.Call(ctx, p, "well"); err != nil || x != "well" {
			t.Fatal(x, err)
		}
	}
}

func TestStream(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2})
	n := 0
	for x, err := range square.Stream(ctx, p, func(yield func(int) bool) {
		for i := range 5000 {
			if !yield(i) {
				return
			}
		}
	}) {
		if err != nil || x != n*n {
			t.Fatal(n, x, err)
		}
		n++
	}
	if n != 5000 {
		t.Fatal(n)
	}
}

func TestLarge(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2})
	text := strings.Repeat("0123456789", 300_000)
	b, err := repeat.Call(ctx, p, repetition{[]byte(text), 3})
	if err != nil || string(b) != strings.Repeat(text, 3) {
		t.Fatal(len(b), err)
	}
}
