package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// errOdd is a sentinel that travels.
var errOdd = errors.New("test: odd")

// Functions that the tests run in workers.
var (
	square = pool.Func("square", func(_ context.Context, n int) (int, error) { return n * n, nil })

	// halve fails for odd numbers.
	halve = pool.Func("halve", func(_ context.Context, n int) (int, error) {
		if n%2 != 0 {
			return 0, fmt.Errorf("halving %d: %w", n, errOdd)
		}
		return n / 2, nil
	})

	// pid returns the worker's process id.
	pid = pool.Func("pid", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })

	// upper travels as text.
	upper = pool.Func("upper", func(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil })

	// repeat makes a result of any length.
	repeat = pool.Func("repeat", func(_ context.Context, a repetition) ([]byte, error) {
		return []byte(strings.Repeat(string(a.Text), a.Times)), nil
	})

	// behave does what it is told.
	behave = pool.Func("behave", func(ctx context.Context, how string) (string, error) { return do(ctx, how) })

	// nap sleeps for so many milliseconds.
	nap = pool.Func("nap", func(ctx context.Context, ms int) (int, error) {
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
			return ms, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})

	// meet uses handles: it adds to a counter and then waits for an event.
	meet = pool.Func("meet", func(ctx context.Context, a meeting) (int, error) {
		n := a.Arrived.Add(1)
		if a.Kill == int(n) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		if a.Gate != nil {
			if err := a.Gate.Wait(ctx); err != nil {
				return 0, err
			}
		}
		if a.Out != nil {
			if err := a.Out.Put(ctx, int(n)); err != nil {
				return 0, err
			}
		}
		return a.Number, nil
	})

	// takesFile cannot be called: a file does not travel to a process that runs.
	takesFile = pool.Func("takesFile", func(context.Context, *os.File) (int, error) { return 0, nil })

	// moody has an argument that may not want to be decoded.
	moody = pool.Func("moody", func(_ context.Context, m mood) (string, error) { return string(m), nil })

	echo = pool.Func("echo", func(_ context.Context, x everything) (everything, error) { return x, nil })

	// inner has a pool of its own.
	inner = pool.Func("inner", func(ctx context.Context, n int) (int, error) {
		p, err := pool.New(ctx, &pool.Options{Workers: 2})
		if err != nil {
			return 0, err
		}
		defer p.Close()
		squares, err := square.Map(ctx, p, numbers(n))
		sum := 0
		for _, x := range squares {
			sum += x
		}
		return sum, err
	})

	setups atomic.Int64

	// counted has a state: the number of its worker's set-ups, and of its tasks.
	counted = pool.FuncWith("counted", func(context.Context) (*[2]int, error) {
		return &[2]int{int(setups.Add(1)), 0}, nil
	}, func(_ context.Context, state *[2]int, _ int) ([3]int, error) {
		state[1]++
		return [3]int{os.Getpid(), state[0], state[1]}, nil
	})

	// stillborn has a set-up that does what it is told, by the environment.
	stillborn = pool.FuncWith("stillborn", func(ctx context.Context) (int, error) {
		_, err := do(ctx, os.Getenv("POOL_TEST_SETUP"))
		return 0, err
	}, func(_ context.Context, _ int, n int) (int, error) { return n, nil })
)

// mood is bytes that may not want to be decoded.
type mood string

func (m mood) MarshalBinary() ([]byte, error) { return []byte(m), nil }

func (m *mood) UnmarshalBinary(b []byte) error {
	switch *m = mood(b); *m {
	case "in":
		return errors.New("bad mood")
	case "panic":
		panic("very bad mood")
	}
	return nil
}

type everything struct {
	A string
	B []float64
	C map[string]int
	D *mixture
	E time.Time
}

type mixture struct {
	N  int8
	OK bool
}

type repetition struct {
	Text  []byte
	Times int
}

type meeting struct {
	Number  int
	Arrived *value.Atomic[int64]
	Gate    *lock.Event
	Out     *queue.Queue[int]
	Kill    int
	Seg     *shm.Segment
}

// do does what how says.
func do(ctx context.Context, how string) (string, error) {
	switch how {
	case "fail":
		return "", fmt.Errorf("it went wrong: %w", io.ErrUnexpectedEOF)
	case "panic":
		panic("it went very wrong")
	case "index":
		return fmt.Sprint(numbers(2)[len(how)]), nil
	case "exit":
		os.Exit(3)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "goexit":
		runtime.Goexit()
	case "wait":
		<-ctx.Done()
		return "", ctx.Err()
	case "stubborn":
		select {}
	}
	return how, nil
}
