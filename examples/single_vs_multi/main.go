// Single_vs_multi does one piece of work in this process and the same in a
// child, and prints both times: a child costs its start, and wins nothing that
// is not done at the same time. With -progress each shows how far it is; the
// child does so through a shared number.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

type args struct {
	N    int
	Done *value.Atomic[int64] // how many squares there are; nil: nobody wants to know
}

var task = process.Func("task", func(_ context.Context, a args) error {
	addSquares(a)
	return nil
})

// addSquares makes a list of squares and adds them up.
func addSquares(a args) {
	const part = 1 << 16 // squares between two reports
	squares := make([]int, a.N)
	for i := range squares {
		squares[i] = i * i
		if a.Done != nil && (i+1)%part == 0 {
			a.Done.Add(part)
		}
	}
	sum := 0.0
	for _, x := range squares {
		sum += float64(x)
	}
	_ = sum // nobody asks for it
}

func main() {
	process.Main()
	n := flag.Int("n", 10_000_000, "how many squares to add up")
	progress := flag.Bool("progress", false, "show how far it is, on standard error")
	flag.Parse()
	measure := timed
	if *progress {
		measure = timedWithBar
	}
	if err := run(context.Background(), *n, measure); err != nil {
		log.Fatal(err)
	}
}

// measurer returns how long work takes.
type measurer = func(ctx context.Context, a args, work func(args) error) (time.Duration, error)

func run(ctx context.Context, n int, measure measurer) error {
	single, err := measure(ctx, args{N: n}, func(a args) error { addSquares(a); return nil })
	if err != nil {
		return err
	}
	multi, err := measure(ctx, args{N: n}, func(a args) error { return task.Run(ctx, a) })
	if err != nil {
		return err
	}
	fmt.Println("Single processor time: ", single.Seconds())
	fmt.Println("Multi processor time: ", multi.Seconds())
	return nil
}

// timed just measures.
func timed(_ context.Context, a args, work func(args) error) (time.Duration, error) {
	start := time.Now()
	err := work(a)
	return time.Since(start), err
}

// timedWithBar also shows how far the work is.
func timedWithBar(ctx context.Context, a args, work func(args) error) (time.Duration, error) {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return 0, err
	}
	defer seg.Close()
	if a.Done, err = value.CreateAtomic[int64](ctx, seg, "done", 0); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		show(ctx, a)
	}()
	took, err := timed(ctx, a, work)
	cancel()
	<-shown
	return took, err
}

// show draws a bar until ctx is done.
func show(ctx context.Context, a args) {
	bar := progressbar.Default(int64(a.N))
	for seen := int64(0); ; {
		now, err := a.Done.Wait(ctx, func(x int64) bool { return x > seen })
		if err != nil {
			_ = bar.Finish() // drawing is all that can fail
			return
		}
		_ = bar.Set64(now)
		seen = now
	}
}
